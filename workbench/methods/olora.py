"""OLoRA: LoRA that starts from the QR decomposition of each weight (Büyükakyüz 2024, section 3)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank


@METHODS.add("olora")
class OrthonormalLora(LowRank):
    """LoRA with an orthonormal start."""

    title: ClassVar[str] = "OLoRA"
    summary: ClassVar[str] = "LoRA that starts from an orthonormal basis of each weight."
    order: ClassVar[int] = 11
    plain: ClassVar[bool] = False
    untrained: ClassVar[str] = (
        "OLoRA changes the base weights, and its adapter is not yet turned back when it is saved."
    )
    kind: Literal["olora"] = "olora"

    def peft_options(self) -> dict[str, Any]:
        return {**super().peft_options(), "init_lora_weights": "olora"}
