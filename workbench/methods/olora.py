"""OLoRA: LoRA that starts from the QR decomposition of each weight (Büyükakyüz 2024, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.inside import WHOLE_WEIGHTS_ONLY, tied_problems
from workbench.methods.low_rank import LowRank
from workbench.records.base_models import Blueprint


@METHODS.add("olora")
class OrthonormalLora(LowRank):
    """LoRA with an orthonormal start."""

    title: ClassVar[str] = "OLoRA"
    summary: ClassVar[str] = "LoRA that starts from an orthonormal basis of each weight."
    order: ClassVar[int] = 11
    plain: ClassVar[bool] = False
    takes_bias: ClassVar[bool] = False
    moves_base: ClassVar[bool] = True
    unpacked: ClassVar[Mapping[str, str]] = WHOLE_WEIGHTS_ONLY
    kind: Literal["olora"] = "olora"

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return super().check(blueprint) or tied_problems(self.title, self.targets(blueprint), blueprint)

    def peft_options(self) -> dict[str, Any]:
        return {**super().peft_options(), "init_lora_weights": "olora"}
