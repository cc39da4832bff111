"""LoKr: the update is a Kronecker product of a small matrix and a larger, low-rank one (Yeh et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.lycoris import Lycoris
from workbench.records.base_models import Blueprint, Module
from workbench.task import Task


@METHODS.add("lokr")
class LoKr(Lycoris):
    """Both widths are split into two factors; one matrix a factor, each as it is or as a product of rank."""

    title: ClassVar[str] = "LoKr"
    summary: ClassVar[str] = "A Kronecker product of two small matrices: a high rank for very few parameters."
    order: ClassVar[int] = 23
    kind: Literal["lokr"] = "lokr"
    decompose_both: bool = Field(
        False, title="Decompose both", description="Writes the smaller of the two matrices as a product as well."
    )
    decompose_factor: int = Field(
        -1,
        ge=-1,
        le=65536,
        title="Factor",
        description="The smaller part that both widths are split into, where they can be; -1 for near the square root.",
    )

    def each(self, module: Module, rank: int) -> int:
        small, large = self._shapes(module)
        return self._small(small, rank) + _large(large, rank)

    def formula(self, module: Module, rank: int) -> str:
        small, large = self._shapes(module)
        first = _product(rank, small) if self._is_product(small, rank) else f"{small[0]}·{small[1]}"
        second = _product(rank, large) if rank < max(large) / 2 else f"{large[0]:,}·{large[1]:,}"
        return f"{first} + {second}"

    def _small(self, shape: tuple[int, int], rank: int) -> int:
        return rank * sum(shape) if self._is_product(shape, rank) else shape[0] * shape[1]

    def _is_product(self, shape: tuple[int, int], rank: int) -> bool:
        return self.decompose_both and rank < max(shape) / 2

    def _shapes(self, module: Module) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shapes of the two matrices, out x in each."""
        small_in, large_in = factors(module.in_features, self.decompose_factor)
        small_out, large_out = factors(module.out_features, self.decompose_factor)
        return (small_out, small_in), (large_out, large_in)

    def check(self, blueprint: Blueprint) -> list[Problem]:
        if self.decompose_factor == 0:
            return [
                Problem("A factor of 0 splits nothing.", "Enter -1 or a positive number.", "method.decompose_factor")
            ]
        return super().check(blueprint)

    def _rank_check(self, targets: Iterable[Module]) -> list[Problem]:
        return []  # a rank above the width makes the matrices whole, which is no fault

    def peft_config(self, task: Task) -> Any:
        from peft import LoKrConfig

        return LoKrConfig(
            task_type=task.peft_type,
            decompose_both=self.decompose_both,
            decompose_factor=self.decompose_factor,
            **self.peft_options(),
            **self.target_options(task),
        )


def _large(shape: tuple[int, int], rank: int) -> int:
    return rank * sum(shape) if rank < max(shape) / 2 else shape[0] * shape[1]


def _product(rank: int, shape: tuple[int, int]) -> str:
    return f"{rank}·({shape[0]:,} + {shape[1]:,})"


def factors(width: int, factor: int) -> tuple[int, int]:
    """Two factors of `width`, the smaller first: `factor` itself if it divides, else the nearest to the square root.

    With a positive factor that does not divide, the smaller one stays at or below it. peft calls this `factorization`.
    """
    if factor > 0 and width % factor == 0:
        return factor, width // factor
    limit = width if factor == -1 else factor
    small, large = 1, width
    while small < large:
        candidate = next(number for number in range(small + 1, width + 1) if width % number == 0)
        if candidate + width // candidate > small + large or candidate > limit:
            break
        small, large = candidate, width // candidate
    return min(small, large), max(small, large)
