"""PiSSA: LoRA that starts from the principal singular vectors of each weight (Meng et al. 2024, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.inside import WHOLE_WEIGHTS_ONLY, tied_problems
from workbench.methods.low_rank import LowRank
from workbench.records.base_models import Blueprint


@METHODS.add("pissa")
class Pissa(LowRank):
    """LoRA on the weight's largest directions; the base keeps the rest."""

    title: ClassVar[str] = "PiSSA"
    summary: ClassVar[str] = (
        "LoRA that starts from each weight's largest singular directions and learns faster at first."
    )
    order: ClassVar[int] = 10
    plain: ClassVar[bool] = False
    takes_bias: ClassVar[bool] = False
    moves_base: ClassVar[bool] = True
    unpacked: ClassVar[Mapping[str, str]] = WHOLE_WEIGHTS_ONLY
    kind: Literal["pissa"] = "pissa"
    iterations: int | None = Field(
        None,
        ge=1,
        le=128,
        title="SVD iterations",
        description="Iterations of a fast approximate decomposition; empty for the exact one.",
    )

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return super().check(blueprint) or tied_problems(self.title, self.targets(blueprint), blueprint)

    def peft_options(self) -> dict[str, Any]:
        start = "pissa" if self.iterations is None else f"pissa_niter_{self.iterations}"
        return {**super().peft_options(), "init_lora_weights": start}
