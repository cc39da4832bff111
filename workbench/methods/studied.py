"""What the methods share that read rows before they begin: how many, and which modules they can learn about."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from workbench.methods.low_rank import LowRank
from workbench.records.base_models import Blueprint, ModuleKind


class Studied(LowRank):
    """LoRA whose start comes from the run's own rows; the worker's part of it stands in ``training/studies``."""

    plain: ClassVar[bool] = False
    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear", "conv1d")

    study_rows: int = Field(
        256,
        ge=1,
        le=100_000,
        title="Rows read first",
        description="How many training rows are read before training begins; the seed draws them.",
    )

    def inputs(self, blueprint: Blueprint) -> list[int]:
        """Widths of what the target modules read, once where several of them read the same."""
        read = {(module.name.rpartition(".")[0], module.in_features) for module in self.targets(blueprint)}
        return [width for _, width in read]
