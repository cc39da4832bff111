"""CorDA: LoRA that starts from weights decomposed by the data's covariance (Yang et al. 2024, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.inside import WHOLE_WEIGHTS_ONLY, tied_problems
from workbench.methods.studied import Studied
from workbench.records.base_models import Blueprint


@METHODS.add("corda")
class Corda(Studied):
    """LoRA that starts where the data is, or away from it."""

    title: ClassVar[str] = "CorDA"
    summary: ClassVar[str] = "LoRA that starts from what the data uses most, or least, to learn more or forget less."
    order: ClassVar[int] = 13
    moves_base: ClassVar[bool] = True
    unpacked: ClassVar[Mapping[str, str]] = WHOLE_WEIGHTS_ONLY
    studies: ClassVar[str] = "the covariance of each module's inputs"
    kind: Literal["corda"] = "corda"
    mode: Literal["instruction", "knowledge"] = Field(
        "instruction",
        title="Mode",
        description="instruction trains the directions that these rows use most, knowledge those they use least.",
    )

    def study_numbers(self, blueprint: Blueprint, length: int) -> int:
        """The covariance of each input; and what decomposing one weight under it takes."""
        shapes = [(module.in_features, module.out_features) for module in self.targets(blueprint)]
        at_work = max(3 * width**2 + 6 * width * outputs for width, outputs in shapes)
        return sum(width**2 for width in self.inputs(blueprint)) + at_work

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return super().check(blueprint) or tied_problems(self.title, self.targets(blueprint), blueprint)
