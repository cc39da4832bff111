"""LoRA-GA: LoRA that starts along the first gradient of full fine-tuning (Wang et al. 2024, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.inside import WHOLE_WEIGHTS_ONLY, tied_problems
from workbench.methods.ranked import rank_problems
from workbench.methods.studied import Studied
from workbench.records.base_models import Blueprint


@METHODS.add("lora_ga")
class LoraGradientAligned(Studied):
    """LoRA whose first step goes where full fine-tuning would go."""

    title: ClassVar[str] = "LoRA-GA"
    summary: ClassVar[str] = "LoRA that starts along the gradient of full fine-tuning."
    order: ClassVar[int] = 14
    moves_base: ClassVar[bool] = True
    unpacked: ClassVar[Mapping[str, str]] = WHOLE_WEIGHTS_ONLY
    study_backward: ClassVar[bool] = True
    studies: ClassVar[str] = "the gradient of each target module's weight"
    kind: Literal["lora_ga"] = "lora_ga"
    study_rows: int = Field(
        64,
        ge=1,
        le=100_000,
        title="Rows read first",
        description="How many training rows the first gradient is taken over; the seed draws them.",
    )
    stable_gamma: int = Field(
        16, ge=1, le=4096, title="Stability", description="A higher value starts the adapter with smaller weights."
    )

    def study_numbers(self, blueprint: Blueprint, length: int) -> int:
        """The gradient of every target weight, that of the row at hand and the sum."""
        return 2 * sum(module.in_features * module.out_features for module in self.targets(blueprint))

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = super().check(blueprint)
        if problems:
            return problems
        targets = self.targets(blueprint)
        twice = rank_problems((module, 2 * self.rank_of(module)) for module in targets)
        return [
            *(
                Problem(
                    f"LoRA-GA takes twice its rank from the gradient. {one.message}",
                    "Choose half of that width or less.",
                    one.field,
                )
                for one in twice
            ),
            *tied_problems(self.title, targets, blueprint),
        ]
