"""EVA: LoRA that starts from the data's own directions and moves rank to where they matter (Paischer et al. 2024).

It starts with the same rank everywhere; after initialisation each module has its own, which `rank_pattern` then holds.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank
from workbench.methods.redistribution import most_after_moving
from workbench.records import Module


@METHODS.add("eva")
class Eva(LowRank):
    """LoRA whose ranks follow the variance that the data shows in each module."""

    title: ClassVar[str] = "EVA"
    summary: ClassVar[str] = (
        "LoRA that starts from the data's main directions and gives rank to the modules that need it."
    )
    order: ClassVar[int] = 12
    plain: ClassVar[bool] = False
    untrained: ClassVar[str] = "EVA needs a pass over the data before training, which runs do not make yet."
    kind: Literal["eva"] = "eva"
    rho: float = Field(
        2.0,
        ge=1,
        le=64,
        title="Redistribution",
        description="A module's rank may grow up to this times the rank; 1 moves none.",
    )

    def bound(self, targets: tuple[Module, ...], trainable: int) -> int | None:
        if self.rank_pattern:
            return None
        ranks = [(module, self.rank) for module in targets]
        return trainable + most_after_moving(ranks, cap=round(self.rank * self.rho))

    def peft_options(self) -> dict[str, Any]:
        from peft import EvaConfig

        return {**super().peft_options(), "init_lora_weights": "eva", "eva_config": EvaConfig(rho=self.rho)}
