"""(IA)³: a trained vector scales the outputs, or the inputs, of each module (Liu et al. 2022, section 3.3)."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.method import METHODS
from workbench.methods.fields import Names
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Module
from workbench.task import Task


@METHODS.add("ia3")
class Ia3(Targeted):
    """One number an output; one an input for the modules that end a feed-forward block."""

    title: ClassVar[str] = "(IA)³"
    summary: ClassVar[str] = "Trains one vector a module that scales its outputs; among the smallest adapters."
    order: ClassVar[int] = 25
    peft_lacks: ClassVar[tuple[str, ...]] = ("layers_to_transform",)
    kind: Literal["ia3"] = "ia3"
    feedforward_modules: Names = Field(
        ("down_proj",),
        title="Feed-forward modules",
        description="Names of the target modules that are scaled at their inputs instead.",
    )

    def each(self, module: Module, rank: int) -> int:
        return module.in_features if self._scales_inputs(module) else module.out_features

    def formula(self, module: Module, rank: int) -> str:
        return f"{self.each(module, rank):,}"

    def _scales_inputs(self, module: Module) -> bool:
        """peft's rule: the end of the name, with or without a dot before it."""
        return module.name.endswith(self._feedforward_targets())

    def _feedforward_targets(self) -> tuple[str, ...]:
        """Those of `feedforward_modules` that are targets; peft refuses others."""
        targets = self.target_modules
        return tuple(name for name in self.feedforward_modules if isinstance(targets, str) or name in targets)

    def peft_config(self, task: Task) -> Any:
        from peft import IA3Config

        names = self._feedforward_targets()
        # As an expression: peft writes all-linear down as full names, beside which it would refuse its own short ones.
        feedforward: Any = f".*({'|'.join(map(re.escape, names))})" if names else []
        return IA3Config(task_type=task.peft_type, feedforward_modules=feedforward, **self.target_options(task))
