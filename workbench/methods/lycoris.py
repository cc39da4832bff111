"""What LoHa and LoKr share: the fields and arguments of peft's Lycoris family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from workbench.errors import Problem
from workbench.methods.fields import Alphas, Ranks, value_for
from workbench.methods.ranked import Ranked, rank_problems
from workbench.methods.target_check import pattern_problems
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Blueprint, Module, ModuleKind

_NO_MATRIX = "It adds its update to the weights' own matrix, which 4-bit weights do not have."


class Lycoris(Targeted, Ranked):
    """A product of small matrices beside each linear module."""

    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear",)
    unpacked: ClassVar[Mapping[str, str]] = {"nf4": _NO_MATRIX, "nf4-double": _NO_MATRIX}
    rank_pattern: Ranks = Field(
        {}, title="Ranks by name", description="Other ranks for some modules, such as q_proj=16, down_proj=4."
    )
    alpha_pattern: Alphas = Field(
        {}, title="Alphas by name", description="Other alphas for some modules, such as q_proj=32."
    )

    @property
    def scaling(self) -> float:
        return self.alpha / self.rank

    def rank_of(self, module: Module) -> int:
        return int(value_for(module.name, self.rank_pattern, self.rank)) if self.rank_pattern else self.rank

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = super().check(blueprint)
        if problems:
            return problems
        targets = self.targets(blueprint)
        names = [module.name for module in targets]
        return [
            *self._rank_check(targets),
            *pattern_problems(names, self.rank_pattern, "method.rank_pattern"),
            *pattern_problems(names, self.alpha_pattern, "method.alpha_pattern"),
        ]

    def _rank_check(self, targets: Iterable[Module]) -> list[Problem]:
        return rank_problems((module, self.rank_of(module)) for module in targets)

    def peft_options(self) -> dict[str, Any]:
        """The arguments that both configs of peft take."""
        return {
            "r": self.rank,
            "alpha": self.alpha,
            "rank_dropout": self.dropout,
            "rank_pattern": dict(self.rank_pattern),
            "alpha_pattern": dict(self.alpha_pattern),
        }
