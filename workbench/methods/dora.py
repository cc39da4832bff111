"""DoRA: direction by LoRA, magnitude by a vector as wide as the output (Liu et al. 2024, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.initialised import Initialised
from workbench.records.base_models import Module


@METHODS.add("dora")
class Dora(Initialised):
    """LoRA and a magnitude for each output."""

    title: ClassVar[str] = "DoRA"
    summary: ClassVar[str] = (
        "LoRA for the direction of each weight and a vector for its magnitude; slower, often better."
    )
    order: ClassVar[int] = 2
    plain: ClassVar[bool] = False
    takes_bias: ClassVar[bool] = False
    unpacked: ClassVar[Mapping[str, str]] = {
        "int8": "DoRA reads the norms of the weights, which 8-bit weights no longer give after the first step."
    }
    kind: Literal["dora"] = "dora"

    def each(self, module: Module, rank: int) -> int:
        return super().each(module, rank) + module.out_features

    def formula(self, module: Module, rank: int) -> str:
        return f"{super().formula(module, rank)} + {module.out_features:,}"

    def peft_options(self) -> dict[str, Any]:
        return {**super().peft_options(), "use_dora": True}
