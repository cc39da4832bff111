"""LoRA-GA: LoRA that starts along the first gradient of full fine-tuning (Wang et al. 2024, section 3.2)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank


@METHODS.add("lora_ga")
class LoraGradientAligned(LowRank):
    """LoRA whose first step goes where full fine-tuning would go."""

    title: ClassVar[str] = "LoRA-GA"
    summary: ClassVar[str] = "LoRA that starts along the gradient of full fine-tuning."
    order: ClassVar[int] = 14
    plain: ClassVar[bool] = False
    untrained: ClassVar[str] = "LoRA-GA needs gradients of the data before training, which runs do not make yet."
    kind: Literal["lora_ga"] = "lora_ga"
    stable_gamma: int = Field(
        16, ge=1, le=4096, title="Stability", description="A higher value starts the adapter with smaller weights."
    )

    def peft_options(self) -> dict[str, Any]:
        from peft.tuners.lora.config import LoraGAConfig

        way = LoraGAConfig(stable_gamma=self.stable_gamma)
        return {**super().peft_options(), "init_lora_weights": "lora_ga", "lora_ga_config": way}
