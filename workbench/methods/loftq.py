"""LoftQ: LoRA that starts by mending the error of quantisation (Li et al. 2023, section 3)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS
from workbench.methods.low_rank import LowRank


@METHODS.add("loftq")
class LoftQ(LowRank):
    """LoRA for a quantised base, started so that both together are close to the full weights."""

    title: ClassVar[str] = "LoftQ"
    summary: ClassVar[str] = "LoRA that starts by mending what quantising the base model lost."
    order: ClassVar[int] = 15
    plain: ClassVar[bool] = False
    untrained: ClassVar[str] = "LoftQ needs a quantised base model, which runs do not load yet."
    kind: Literal["loftq"] = "loftq"
    bits: Literal[2, 4, 8] = Field(4, title="Bits", description="Of the quantised base weights.")
    iterations: int = Field(
        1, ge=1, le=100, title="Iterations", description="Rounds of quantising and mending in turn."
    )

    def peft_options(self) -> dict[str, Any]:
        from peft import LoftQConfig

        way = LoftQConfig(loftq_bits=self.bits, loftq_iter=self.iterations)
        return {**super().peft_options(), "init_lora_weights": "loftq", "loftq_config": way}
