"""Prompt tuning: trained embeddings stand before the row's own (Lester et al. 2021, section 2)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.virtual_tokens import VirtualTokens, line
from workbench.records.base_models import Blueprint, ParameterGroup
from workbench.task import Task


@METHODS.add("prompt")
class PromptTuning(VirtualTokens):
    """One vector of the model's width a virtual token; in a model of two stacks, one for each."""

    title: ClassVar[str] = "Prompt tuning"
    summary: ClassVar[str] = "Trains a few embeddings that stand before every row."
    order: ClassVar[int] = 31
    kind: Literal["prompt"] = "prompt"

    def groups(self, blueprint: Blueprint) -> tuple[ParameterGroup, ...]:
        stacks = 2 if blueprint.task == "seq2seq" else 1
        width = blueprint.hidden_size
        return (line("prompt", stacks * self.tokens, width, f"{width:,}"),)

    def peft_config(self, task: Task) -> Any:
        from peft import PromptTuningConfig

        return PromptTuningConfig(task_type=task.peft_type, num_virtual_tokens=self.tokens)
