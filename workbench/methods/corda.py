"""CorDA: LoRA that starts from weights decomposed by the data's covariance (Yang et al. 2024, section 3.2)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank


@METHODS.add("corda")
class Corda(LowRank):
    """LoRA that starts where the data is, or away from it."""

    title: ClassVar[str] = "CorDA"
    summary: ClassVar[str] = "LoRA that starts from what the data uses most, or least, to learn more or forget less."
    order: ClassVar[int] = 13
    plain: ClassVar[bool] = False
    untrained: ClassVar[str] = "CorDA needs a pass over the data before training, which runs do not make yet."
    kind: Literal["corda"] = "corda"
    mode: Literal["instruction", "knowledge"] = Field(
        "instruction",
        title="Mode",
        description="instruction learns the data better, knowledge forgets less of what the base model knows.",
    )

    def peft_options(self) -> dict[str, Any]:
        from peft.tuners.lora.config import CordaConfig

        way = CordaConfig(corda_method="ipm" if self.mode == "instruction" else "kpm")
        return {**super().peft_options(), "init_lora_weights": "corda", "corda_config": way}
