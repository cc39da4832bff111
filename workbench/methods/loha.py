"""LoHa: the update is the elementwise product of two low-rank matrices (Hyeon-Woo et al. 2021, section 2)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.lycoris import Lycoris
from workbench.records.base_models import Module
from workbench.task import Task


@METHODS.add("loha")
class LoHa(Lycoris):
    """Two LoRA pairs multiplied with each other: rank up to rank², at twice the cost."""

    title: ClassVar[str] = "LoHa"
    summary: ClassVar[str] = (
        "Multiplies two low-rank updates with each other: a rank of up to rank², at twice LoRA's cost."
    )
    order: ClassVar[int] = 22
    kind: Literal["loha"] = "loha"

    def each(self, module: Module, rank: int) -> int:
        return 2 * rank * (module.in_features + module.out_features)

    def formula(self, module: Module, rank: int) -> str:
        return f"2·{rank}·({module.in_features:,} + {module.out_features:,})"

    def peft_config(self, task: Task) -> Any:
        from peft import LoHaConfig

        return LoHaConfig(task_type=task.peft_type, **self.peft_options(), **self.target_options(task))
