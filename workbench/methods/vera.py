"""VeRA: two random matrices that all modules share, frozen, and two trained vectors a module (Kopiczko et al. 2023)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.method import METHODS
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Module
from workbench.task import Task


@METHODS.add("vera")
class Vera(Targeted):
    """Scales of shared random directions."""

    title: ClassVar[str] = "VeRA"
    summary: ClassVar[str] = "Trains two vectors a module that scale shared random matrices; a very small adapter."
    order: ClassVar[int] = 21
    peft_lacks: ClassVar[tuple[str, ...]] = ("exclude_modules",)
    kind: Literal["vera"] = "vera"
    rank: int = Field(
        256,
        ge=1,
        le=65536,
        title="Rank",
        description="Inner width of the shared random matrices; a high one costs little.",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, title="Dropout", description="Share of the adapter's inputs that are dropped while training."
    )

    def rank_of(self, module: Module) -> int:
        return self.rank

    def each(self, module: Module, rank: int) -> int:
        return module.out_features + rank

    def formula(self, module: Module, rank: int) -> str:
        return f"{module.out_features:,} + {rank}"

    def peft_config(self, task: Task) -> Any:
        from peft import VeraConfig

        return VeraConfig(task_type=task.peft_type, r=self.rank, vera_dropout=self.dropout, **self.target_options(task))
