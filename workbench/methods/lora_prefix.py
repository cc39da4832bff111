"""LoRA and a prefix together (the LoRA+PL of Hu et al. 2021, appendix E)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.initialised import Initialised
from workbench.methods.prefix import FORGOTTEN, prefix_lines
from workbench.methods.virtual_tokens import token_problems
from workbench.records.base_models import Blueprint, Module, ParameterGroup
from workbench.task import Task


@METHODS.add("lora_prefix")
class LoraWithPrefix(Initialised):
    """LoRA's matrices, and keys and values of virtual tokens."""

    title: ClassVar[str] = "LoRA with prefix"
    summary: ClassVar[str] = "LoRA and prefix tuning at once, saved as two adapters that belong together."
    order: ClassVar[int] = 32
    cannot_recompute: ClassVar[str] = FORGOTTEN
    kind: Literal["lora_prefix"] = "lora_prefix"
    tokens: int = Field(20, ge=1, le=4096, title="Virtual tokens", description="How many trained vectors stand first.")

    def besides(self, blueprint: Blueprint, targets: tuple[Module, ...]) -> tuple[ParameterGroup, ...]:
        prefix = prefix_lines(blueprint, self.tokens, blueprint.kv_width, projection=False)
        return (*super().besides(blueprint, targets), *prefix)

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return [*super().check(blueprint), *self._whole_besides(), *token_problems(blueprint, self.tokens)]

    def _whole_besides(self) -> Iterator[Problem]:
        remedy = "Leave it as it is, or choose LoRA without a prefix."
        if self.bias != "none":
            yield Problem("Beside a prefix no biases are trained.", remedy, "method.bias")
        if self.modules_to_save:
            yield Problem("Beside a prefix no modules are trained whole.", remedy, "method.modules_to_save")

    def prefix_config(self, task: Task) -> Any:
        """The `peft.PeftConfig` of the prefix; `peft_config` is LoRA's."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(task_type=task.peft_type, num_virtual_tokens=self.tokens)
