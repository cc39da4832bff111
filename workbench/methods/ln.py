"""Norm tuning: copies of the norm layers are trained (Zhao et al. 2023, section 2)."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.whole import Whole, own_modules
from workbench.records.base_models import Blueprint, Module
from workbench.task import Task

_NORMS = r"(.*\.)?([^.]*[nN]orm[^.]*|ln_[^.]*)"
"""Names of norm layers in every family: input_layernorm, LayerNorm, layer_norm, q_norm, ln_1, ln_f."""


@METHODS.add("ln")
class NormTuning(Whole):
    """The scale, and where there is one the shift, of every norm layer."""

    title: ClassVar[str] = "Norm layers"
    summary: ClassVar[str] = "Trains the base model's norm layers alone; among the smallest of all."
    order: ClassVar[int] = 26
    kind: Literal["ln"] = "ln"

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        return tuple(module for module in own_modules(blueprint) if re.fullmatch(_NORMS, module.name))

    def check(self, blueprint: Blueprint) -> list[Problem]:
        if self.targets(blueprint):
            return []
        return [Problem("This model has no norm layers with weights.", "Choose another method.", "method.kind")]

    def peft_config(self, task: Task) -> Any:
        from peft import LNTuningConfig

        return LNTuningConfig(task_type=task.peft_type, target_modules=_NORMS)
