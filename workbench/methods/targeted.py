"""What every method shares that adapts chosen modules: which ones, what is trained beside them, and the sum.

A method of this kind says what it trains in one module and how that formula reads; nothing here knows which there are.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import Field, field_validator

from workbench.errors import Problem, refuse
from workbench.method import Method
from workbench.methods.fields import Layers, Names
from workbench.methods.grouping import grouped, total, trained_whole
from workbench.methods.matching import (
    ALL_LINEAR,
    TASK_HEADS,
    Selection,
    Targets,
    is_all_linear,
    saved_modules,
    selected,
    task_heads,
)
from workbench.methods.target_check import TARGETS, container_problems, selection_problems
from workbench.records.base_models import Blueprint, Module, ModuleKind, ParameterCount, ParameterGroup
from workbench.task import Task


class Targeted(Method):
    """A method that puts something beside each of the target modules."""

    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear", "conv1d")
    """The kinds of modules that peft can adapt by this method."""
    peft_lacks: ClassVar[tuple[str, ...]] = ()
    """Fields here that peft does not have for this method; setting one is refused."""

    target_modules: Targets = Field(
        ALL_LINEAR,
        title="Target modules",
        description="Names of the modules that get an adapter, all-linear, or a regular expression.",
    )
    exclude_modules: Names = Field(
        (), title="Excluded modules", description="Names of modules that get none although the targets name them."
    )
    layers_to_transform: Layers = Field(
        (), title="Layers", description="The layers that get adapters, such as 16-31; empty for all."
    )
    modules_to_save: Names = Field(
        (),
        title="Modules trained whole",
        description="Names of modules that are trained and saved in full beside the adapter.",
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
    def selection(self) -> Selection:
        """Which modules are adapted, as one value."""
        return Selection(self.target_modules, self.exclude_modules, self.layers_to_transform, self.modules_to_save)

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        refuse(selection_problems(blueprint, self.selection))
        return selected(blueprint, self.selection)

    def count(self, blueprint: Blueprint) -> ParameterCount:
        targets = self.targets(blueprint)
        adapted = grouped(targets, self.each, self.formula, self.rank_of)
        saved = trained_whole(saved_modules(blueprint, self.modules_to_save), " (whole)")
        groups = (*adapted, *self.besides(blueprint, targets), *saved)
        return ParameterCount(
            trainable=total(groups),
            base=blueprint.parameters,
            groups=groups,
            scaling=self.scaling,
            bound=self.bound(targets, total(groups)),
            head=total(trained_whole(saved_modules(blueprint, task_heads(blueprint)))),
        )

    @abstractmethod
    def each(self, module: Module, rank: int) -> int:
        """Trained parameters beside one module."""

    @abstractmethod
    def formula(self, module: Module, rank: int) -> str:
        """How `each` comes about, with the numbers in it."""

    def beside(self, module: Module) -> int:
        return self.each(module, self.rank_of(module))

    def rank_of(self, module: Module) -> int:
        """The rank beside `module`; 0 for a method without ranks."""
        return 0

    @property
    def scaling(self) -> float | None:
        """The factor before the update, where there is one."""
        return None

    def besides(self, blueprint: Blueprint, targets: tuple[Module, ...]) -> tuple[ParameterGroup, ...]:
        """What is trained besides the adapters themselves, such as biases."""
        return ()

    def bound(self, targets: tuple[Module, ...], trainable: int) -> int | None:
        """The most that `trainable` can become in training, for a method that moves rank between modules."""
        return None

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = [*self._unsupported(), *selection_problems(blueprint, self.selection)]
        if problems:
            return problems
        targets = selected(blueprint, self.selection)
        return [*self._unsuitable(targets), *container_problems(blueprint, self.target_modules)]

    def _unsupported(self) -> list[Problem]:
        fields = type(self).model_fields
        return [
            Problem(f"{self.title} has no such setting.", f"Leave “{fields[name].title}” empty.", f"method.{name}")
            for name in self.peft_lacks
            if getattr(self, name)
        ]

    def _unsuitable(self, targets: tuple[Module, ...]) -> list[Problem]:
        """One problem for all matched modules of a kind that cannot be adapted, such as norms."""
        wrong = [module for module in targets if module.kind not in self.adaptable]
        if not wrong:
            return []
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        kinds = _spoken(self.adaptable)
        return [
            Problem(
                f"{self.title} adapts {kinds}, which {wrong[0].name}{more} is not.",
                f"Name {kinds} only, or write all-linear.",
                TARGETS,
            )
        ]

    def target_options(self, task: Task) -> dict[str, Any]:
        """The arguments of a `peft.PeftConfig` that say which modules are adapted."""
        targets = self.target_modules
        # peft adds the head of a token classifier only after it has adapted it, and then fails: name it before.
        saved = [*self.modules_to_save, *(TASK_HEADS if task.peft_type == "TOKEN_CLS" else ())]
        options = {
            "target_modules": targets if isinstance(targets, str) else list(targets),
            "exclude_modules": list(self.exclude_modules) or None,
            "layers_to_transform": list(self.layers_to_transform) or None,
            "modules_to_save": saved or None,
        }
        return {name: value for name, value in options.items() if name not in self.peft_lacks}


_SPOKEN: dict[str, str] = {"linear": "linear modules", "conv1d": "Conv1D modules", "embedding": "embeddings"}


def _spoken(kinds: tuple[ModuleKind, ...]) -> str:
    """``linear modules, Conv1D modules and embeddings``"""
    *most, last = (_SPOKEN[kind] for kind in kinds)
    return f"{', '.join(most)} and {last}" if most else last
