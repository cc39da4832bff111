"""What every method of the LoRA family shares: its fields, its targets, its count, its peft config.

A method of the family is a few lines in a file of its own that say what it adds; nothing here knows which there are.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from workbench.config import Method, Task, refuse
from workbench.errors import Problem
from workbench.methods.grouping import grouped
from workbench.methods.matching import ALL_LINEAR, Targets, is_all_linear, matched, target_problems
from workbench.records import Blueprint, Module, ParameterCount

_ADAPTABLE = ("linear", "conv1d", "embedding")


class LowRank(Method):
    """Two small matrices, A of rank x in and B of out x rank, beside each target module."""

    rank: int = Field(
        8,
        ge=1,
        le=4096,
        title="Rank",
        description="Inner width of the two matrices: more can learn more, and costs more.",
    )
    alpha: float = Field(
        16, gt=0, le=65536, title="Alpha", description="Strength of the update: it is scaled by alpha / rank."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, title="Dropout", description="Share of the adapter's inputs that are dropped while training."
    )
    target_modules: Targets = Field(
        ALL_LINEAR,
        title="Target modules",
        description="Names of the modules that get an adapter, all-linear, or a regular expression.",
    )

    @field_validator("target_modules")
    @classmethod
    def _names_something(cls, targets: Targets) -> Targets:
        if not targets or (isinstance(targets, tuple) and not all(targets)):
            raise ValueError("no module is named; write all-linear for every linear module")
        if isinstance(targets, str) and not is_all_linear(targets):
            try:
                re.compile(targets)
            except re.error as error:
                raise ValueError(f"the regular expression “{targets}” does not compile ({error})") from error
        return targets

    @property
    def scaling(self) -> float:
        """The factor before B·A."""
        return self.alpha / self.rank

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        refuse(target_problems(blueprint, self.target_modules))
        return matched(blueprint, self.target_modules)

    def count(self, blueprint: Blueprint) -> ParameterCount:
        groups = grouped(self.targets(blueprint), self.rank, self.each, self.formula)
        return ParameterCount(
            trainable=sum(group.total for group in groups),
            base=blueprint.parameters,
            groups=groups,
            scaling=self.scaling,
        )

    def each(self, module: Module) -> int:
        """Trained parameters beside one module."""
        return self.rank * (module.in_features + module.out_features)

    def formula(self, module: Module) -> str:
        """How `each` comes about, with the numbers in it."""
        return f"{self.rank}·({module.in_features:,} + {module.out_features:,})"

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = target_problems(blueprint, self.target_modules)
        if problems:
            return problems
        targets = matched(blueprint, self.target_modules)
        return [*_unsuitable(self.title, targets), *self._too_wide(targets)]

    def _too_wide(self, targets: tuple[Module, ...]) -> list[Problem]:
        suitable = [module for module in targets if module.kind in _ADAPTABLE]
        narrowest = min(suitable, key=lambda module: min(module.in_features, module.out_features), default=None)
        if narrowest is None:
            return []
        limit = min(narrowest.in_features, narrowest.out_features)
        if self.rank <= limit:
            return []
        return [
            Problem(
                f"Rank {self.rank} is above the width {limit} of {narrowest.name}"
                f" ({narrowest.in_features} in, {narrowest.out_features} out).",
                f"Choose a rank of at most {limit}; most adapters need 4 to 64.",
                "method.rank",
            )
        ]

    def peft_config(self, task: Task) -> Any:
        from peft import LoraConfig

        return LoraConfig(task_type=task.peft_type, **self.peft_options())

    def peft_options(self) -> dict[str, Any]:
        """The arguments of `peft.LoraConfig`; a method of the family adds its own."""
        targets = self.target_modules
        return {
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": targets if isinstance(targets, str) else list(targets),
        }


def _unsuitable(title: str, targets: tuple[Module, ...]) -> list[Problem]:
    """One problem for all matched modules that have no matrix to adapt, such as norms."""
    wrong = [module.name for module in targets if module.kind not in _ADAPTABLE]
    if not wrong:
        return []
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return [
        Problem(
            f"{title} adapts linear modules and embeddings, which {wrong[0]}{more} is not.",
            "Name linear modules only, or write all-linear.",
            "method.target_modules",
        )
    ]
