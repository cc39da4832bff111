"""LoRA and a prefix together (the LoRA+PL of Hu et al. 2021, appendix E)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank
from workbench.methods.prefix import prefix_lines
from workbench.records import Blueprint, Module, ParameterGroup


@METHODS.add("lora_prefix")
class LoraWithPrefix(LowRank):
    """LoRA's matrices, and keys and values of virtual tokens."""

    title: ClassVar[str] = "LoRA with prefix"
    summary: ClassVar[str] = "LoRA and prefix tuning at once."
    order: ClassVar[int] = 32
    untrained: ClassVar[str] = "peft saves only one of the two when both are trained."
    kind: Literal["lora_prefix"] = "lora_prefix"
    tokens: int = Field(20, ge=1, le=4096, title="Virtual tokens", description="How many trained vectors stand first.")

    def besides(self, blueprint: Blueprint, targets: tuple[Module, ...]) -> tuple[ParameterGroup, ...]:
        prefix = prefix_lines(blueprint, self.tokens, blueprint.kv_width, projection=False)
        return (*super().besides(blueprint, targets), *prefix)
