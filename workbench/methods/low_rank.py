"""What every method of the LoRA family shares: two small matrices beside each target module, and peft's `LoraConfig`.

A method of the family is a few lines in a file of its own that say what it adds; nothing here knows which there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem, refuse
from workbench.methods.experts import GATE_UP, expert_problems, has_rule, mapped
from workbench.methods.fields import Alphas, Ranks, value_for
from workbench.methods.grouping import by_rank, trained_biases
from workbench.methods.matching import saved_modules, task_heads
from workbench.methods.ranked import Ranked, rank_problems
from workbench.methods.target_check import TARGETS, pattern_problems, selection_problems
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Blueprint, Module, ModuleKind, ParameterGroup
from workbench.task import Task

_PEFT_BIAS = {"none": "none", "all": "all", "targets": "lora_only"}


class LowRank(Targeted, Ranked):
    """A of rank x in and B of out x rank beside each target module (Hu et al. 2021, section 4.1)."""

    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear", "conv1d", "embedding")
    plain: ClassVar[bool] = True
    """Whether it is peft's plain LoRA layer from the first step on, which alone adapts stacked experts."""
    takes_bias: ClassVar[bool] = True
    """Whether its adapters can have biases of their own."""

    rank_pattern: Ranks = Field(
        {}, title="Ranks by name", description="Other ranks for some modules, such as q_proj=16, down_proj=4."
    )
    alpha_pattern: Alphas = Field(
        {}, title="Alphas by name", description="Other alphas for some modules, such as q_proj=32."
    )
    bias: Literal["none", "all", "targets"] = Field(
        "none", title="Biases", description="Which of the base model's biases are trained as well."
    )
    lora_bias: bool = Field(
        False, title="Adapter bias", description="Gives each adapter a bias of its own, as wide as the module's output."
    )

    @property
    def scaling(self) -> float:
        return self.alpha / self.rank

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        if not has_rule(blueprint):
            return super().targets(blueprint)
        found = mapped(blueprint, self.selection)
        if not found.modules and not found.tensors:
            refuse(selection_problems(blueprint, self.selection))
        refuse(expert_problems(blueprint, self.selection))
        order = {module.name: place for place, module in enumerate(blueprint.modules)}
        return tuple(sorted((*found.modules, *found.tensors), key=lambda module: order[module.name]))

    def rank_of(self, module: Module) -> int:
        if module.kind != "experts" and not self.rank_pattern:
            return self.rank
        patterns: dict[str, int] = {**self.rank_pattern}
        if module.kind == "experts":
            # peft doubles the rank where gate and up became one tensor; a pattern of the user's own comes first.
            patterns[rf".*\.{re.escape(GATE_UP)}"] = 2 * self.rank
        return int(value_for(_peft_key(module), patterns, self.rank))

    def each(self, module: Module, rank: int) -> int:
        own_bias = module.out_features if self.lora_bias else 0
        base_bias = module.out_features if self.bias == "targets" and module.bias else 0
        return rank * module.experts * (module.in_features + module.out_features) + own_bias + base_bias

    def formula(self, module: Module, rank: int) -> str:
        experts = f"{module.experts}·" if module.experts > 1 else ""
        own_bias = f" + {module.out_features:,}" if self.lora_bias else ""
        base_bias = f" + {module.out_features:,}" if self.bias == "targets" and module.bias else ""
        return f"{rank}·{experts}({module.in_features:,} + {module.out_features:,}){own_bias}{base_bias}"

    def besides(self, blueprint: Blueprint, targets: tuple[Module, ...]) -> tuple[ParameterGroup, ...]:
        if self.bias != "all":
            return ()
        whole = (*self.modules_to_save, *task_heads(blueprint))
        saved = {module.name for module in saved_modules(blueprint, whole)}
        return trained_biases(
            module for module in blueprint.modules if module.tied_to is None and module.name not in saved
        )

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = self._expert_check(blueprint) if has_rule(blueprint) else super().check(blueprint)
        if problems:
            return problems
        targets = self.targets(blueprint)
        lots = ((found[0], rank) for rank, found in by_rank(targets, self.rank_of))
        wide = [(module, rank) for module, rank in lots if module.kind in self.adaptable]
        names = [_peft_key(module) for module in targets]
        return [
            *rank_problems(wide),
            *pattern_problems(names, self.rank_pattern, "method.rank_pattern"),
            *pattern_problems(names, self.alpha_pattern, "method.alpha_pattern"),
            *self._bias_problems(targets),
        ]

    def _expert_check(self, blueprint: Blueprint) -> list[Problem]:
        found = mapped(blueprint, self.selection)
        if not found.modules and not found.tensors:
            return selection_problems(blueprint, self.selection)
        problems = [*expert_problems(blueprint, self.selection), *self._unsuitable(found.modules)]
        obstacle = next(self._expert_obstacles(), None) if found.tensors else None
        if obstacle:
            remedy = "Name the attention's modules as targets, which leaves the experts out."
            problems.append(Problem(f"Stacked experts take no {obstacle}.", remedy, TARGETS))
        return problems

    def _expert_obstacles(self) -> Iterator[str]:
        if not self.plain:
            yield self.title
        if self.dropout:
            yield "dropout"
        if self.lora_bias:
            yield "adapter bias"

    def _bias_problems(self, targets: tuple[Module, ...]) -> list[Problem]:
        if not self.lora_bias:
            return []
        remedy = "Switch the adapter bias off."
        if not self.takes_bias:
            return [Problem(f"{self.title} gives its adapters no bias.", remedy, "method.lora_bias")]
        if any(module.kind == "embedding" for module in targets):
            return [Problem("An embedding's adapter has no bias.", remedy, "method.lora_bias")]
        return []

    def peft_config(self, task: Task) -> Any:
        from peft import LoraConfig

        return LoraConfig(task_type=task.peft_type, **self.peft_options(), **self.target_options(task))

    def peft_options(self) -> dict[str, Any]:
        """The arguments of `peft.LoraConfig`; a method of the family adds its own."""
        return {
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "rank_pattern": dict(self.rank_pattern),
            "alpha_pattern": dict(self.alpha_pattern),
            "bias": _PEFT_BIAS[self.bias],
            "lora_bias": self.lora_bias,
        }


def _peft_key(module: Module) -> str:
    """The name under which peft looks a module's rank up; a router is adapted as a tensor and named so."""
    return f"{module.name}.weight" if module.kind == "other" else module.name
