"""LoRA+: LoRA whose B learns faster than its A (Hayou et al. 2024, section 4.2)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workbench.method import METHODS
from workbench.methods.initialised import Initialised


@METHODS.add("lora_plus")
class LoraPlus(Initialised):
    """LoRA with two learning rates."""

    title: ClassVar[str] = "LoRA+"
    summary: ClassVar[str] = "LoRA whose second matrix learns faster than its first."
    order: ClassVar[int] = 3
    kind: Literal["lora_plus"] = "lora_plus"
    learning_rate_ratio: float = Field(
        16.0,
        ge=1,
        le=1024,
        title="Learning rate ratio",
        description="How many times the learning rate of A that of B is.",
    )

    def learning_rate_factor(self, parameter: str) -> float:
        return self.learning_rate_ratio if "lora_B" in parameter else 1.0
