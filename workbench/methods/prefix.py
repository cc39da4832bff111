"""Prefix tuning: trained keys and values stand before the row's own in every layer (Li and Liang 2021, section 4)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.method import METHODS
from workbench.methods.virtual_tokens import VirtualTokens, line
from workbench.records.base_models import Blueprint, ParameterGroup
from workbench.task import Task

FORGOTTEN = "Layers that are computed again on the way back do not see the prefix."


@METHODS.add("prefix")
class PrefixTuning(VirtualTokens):
    """A key and a value a layer and virtual token, trained as they are or through a small network."""

    title: ClassVar[str] = "Prefix tuning"
    summary: ClassVar[str] = "Trains keys and values of virtual tokens that stand before every row, in every layer."
    order: ClassVar[int] = 30
    cannot_recompute: ClassVar[str] = FORGOTTEN
    kind: Literal["prefix"] = "prefix"
    projection: bool = Field(
        False, title="Projection", description="Trains a small network that makes the prefix, which is steadier."
    )
    projection_size: int | None = Field(
        None, ge=1, le=65536, title="Projection size", description="Inner width of that network; empty for the keys'."
    )

    def groups(self, blueprint: Blueprint) -> tuple[ParameterGroup, ...]:
        return prefix_lines(blueprint, self.tokens, self.projection_size or blueprint.kv_width, self.projection)

    def peft_config(self, task: Task) -> Any:
        from peft import PrefixTuningConfig

        options: dict[str, Any] = {
            "num_virtual_tokens": self.tokens,
            "prefix_projection": self.projection,
            "encoder_hidden_size": self.projection_size,
        }
        return PrefixTuningConfig(task_type=task.peft_type, **options)


def prefix_lines(blueprint: Blueprint, tokens: int, inner: int, projection: bool) -> tuple[ParameterGroup, ...]:
    """What a prefix of `tokens` trains: keys and values themselves, or the network of width `inner` that makes them."""
    width, layers = blueprint.kv_width, blueprint.num_layers
    both = 2 * layers * width
    if not projection:
        return (line("prefix", tokens, both, f"2·{layers}·{width:,}"),)
    return (
        line("prefix", tokens, width, f"{width:,}"),
        line("projection in", 1, width * inner + inner, f"{width:,}·{inner:,} + {inner:,}"),
        line("projection out", 1, inner * both + both, f"{inner:,}·{both:,} + {both:,}"),
    )
