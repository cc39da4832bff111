"""rsLoRA: LoRA scaled by alpha / √rank, so that higher ranks keep learning (Kalajdzievski 2023, theorem 3.2)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.initialised import Initialised


@METHODS.add("rslora")
class RankStabilisedLora(Initialised):
    """LoRA whose strength does not fade as the rank grows."""

    title: ClassVar[str] = "rsLoRA"
    summary: ClassVar[str] = "LoRA scaled by alpha / √rank, which keeps high ranks learning."
    order: ClassVar[int] = 1
    kind: Literal["rslora"] = "rslora"

    @property
    def scaling(self) -> float:
        return self.alpha / math.sqrt(self.rank)

    def peft_options(self) -> dict[str, Any]:
        return {**super().peft_options(), "use_rslora": True}
