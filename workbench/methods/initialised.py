"""The choice of how LoRA's two matrices begin, shared by the methods that leave it open.

``kaiming`` and ``gaussian`` draw A and begin B at zero. ``orthogonal`` draws both so that every row of A stands
orthogonally on every column of B, which leaves their product at zero with neither of them being so; it pairs the ranks
and needs an even number of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.methods.low_rank import LowRank
from workbench.records.base_models import Blueprint

_PEFT_START: dict[str, bool | str] = {"kaiming": True, "gaussian": "gaussian", "orthogonal": "orthogonal"}
_PACKED = "The orthogonal initialisation is drawn in the weights' own format, which packed weights do not have."


class Initialised(LowRank):
    """A method of the LoRA family whose matrices may begin in several ways."""

    unpacked_starts: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "orthogonal": dict.fromkeys(("int8", "nf4", "nf4-double"), _PACKED)
    }
    """By initialisation, the quantizations that it cannot stand on, each with the reason."""

    initialisation: Literal["kaiming", "gaussian", "orthogonal"] = Field(
        "kaiming",
        title="Initialisation",
        description="How the two matrices begin: A drawn and B zero (kaiming, gaussian), or both drawn (orthogonal).",
    )

    def obstacle(self, quantization: str) -> str:
        own = self.unpacked_starts.get(self.initialisation, {}).get(quantization, "")
        return super().obstacle(quantization) or own

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return super().check(blueprint) or [*self._drawn_with_bias(), *self._odd_ranks(blueprint)]

    def _drawn_with_bias(self) -> list[Problem]:
        if not self.lora_bias or self.initialisation == "kaiming":
            return []
        message = f"An adapter bias does not go with the {self.initialisation} initialisation."
        return [Problem(message, "Choose kaiming, or switch the adapter bias off.", "method.lora_bias")]

    def _odd_ranks(self, blueprint: Blueprint) -> list[Problem]:
        if self.initialisation != "orthogonal":
            return []
        targets = self.targets(blueprint)
        if any(module.kind == "experts" for module in targets):
            remedy = "Choose kaiming, or name the attention's modules as targets."
            return [Problem("Stacked experts take no orthogonal initialisation.", remedy, "method.initialisation")]
        odd = next((module for module in targets if self.rank_of(module) % 2), None)
        if odd is None:
            return []
        rank = self.rank_of(odd)
        return [
            Problem(
                f"The orthogonal initialisation pairs the ranks, and {odd.name} has {rank}.",
                f"Choose an even rank, such as {rank + 1}, or another initialisation.",
                "method.rank" if rank == self.rank else "method.rank_pattern",
            )
        ]

    def peft_options(self) -> dict[str, Any]:
        return {**super().peft_options(), "init_lora_weights": _PEFT_START[self.initialisation]}
