"""OFT: the inputs of each module are rotated, block by block, by trained orthogonal matrices (Qiu et al. 2023)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.method import METHODS
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Module, ModuleKind
from workbench.task import Task


@METHODS.add("oft")
class Oft(Targeted):
    """A skew-symmetric matrix a block, from which the rotation is made."""

    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear",)
    title: ClassVar[str] = "OFT"
    summary: ClassVar[str] = (
        "Rotates the inputs of each module by trained orthogonal blocks; keeps the angles between weights."
    )
    order: ClassVar[int] = 24
    kind: Literal["oft"] = "oft"
    block_size: int = Field(
        32,
        ge=2,
        le=4096,
        title="Block size",
        description="Width of the rotated blocks; a width that it does not divide takes the nearest that does.",
    )
    share_blocks: bool = Field(
        False, title="One block", description="Rotates every block of a module by the same matrix."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, title="Dropout", description="Share of the blocks that are left unrotated while training."
    )

    def each(self, module: Module, rank: int) -> int:
        size, blocks = self._blocks(module)
        return blocks * (size * (size - 1) // 2)

    def formula(self, module: Module, rank: int) -> str:
        size, blocks = self._blocks(module)
        return f"{blocks:,}·{size}·{size - 1} / 2"

    def _blocks(self, module: Module) -> tuple[int, int]:
        """Size and number of the trained blocks."""
        size = nearest_divisor(module.in_features, self.block_size)
        return size, 1 if self.share_blocks else module.in_features // size

    def peft_config(self, task: Task) -> Any:
        from peft import OFTConfig

        return OFTConfig(
            task_type=task.peft_type,
            r=0,
            oft_block_size=self.block_size,
            block_share=self.share_blocks,
            module_dropout=self.dropout,
            **self.target_options(task),
        )


def nearest_divisor(width: int, wanted: int) -> int:
    """The divisor of `width` that is nearest to `wanted`, the lower of two; peft calls this `adjust_oft_parameters`."""
    if wanted >= width:
        return width
    higher = next(number for number in range(wanted, width + 1) if width % number == 0)
    lower = next(number for number in range(wanted, 0, -1) if width % number == 0)
    return lower if wanted - lower <= higher - wanted else higher
