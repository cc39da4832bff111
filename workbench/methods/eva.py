"""EVA: LoRA that starts from the data's own directions and moves rank to where they matter (Paischer et al. 2024).

It starts with the same rank everywhere. Once it has read its rows each module has its own, which stands in the saved
adapter's `rank_pattern`; a module that is left with none loses its adapter. Ranks that a config names stay as named.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workbench.config import RunConfig
from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.redistribution import most_after_moving
from workbench.methods.studied import Studied
from workbench.records.base_models import Blueprint, Module

FEWEST_TOKENS = 256
"""That one step of the decomposition takes in: fewer cost a decomposition each and tell little."""


@METHODS.add("eva")
class Eva(Studied):
    """LoRA whose ranks follow the variance that the data shows in each module."""

    title: ClassVar[str] = "EVA"
    summary: ClassVar[str] = (
        "LoRA that starts from the data's main directions and gives rank to the modules that need it."
    )
    order: ClassVar[int] = 12
    studies: ClassVar[str] = "the main directions of each module's inputs"
    kind: Literal["eva"] = "eva"
    rho: float = Field(
        2.0,
        ge=1,
        le=64,
        title="Redistribution",
        description="A module's rank may grow up to this times the rank; 1 moves none.",
    )

    @property
    def moves(self) -> bool:
        """Whether ranks are redistributed: those that are named module by module stay as they are."""
        return not self.rank_pattern and self.rho > 1

    def most(self, rank: int) -> int:
        """What a module's rank may grow to."""
        return round(rank * self.rho) if self.moves else rank

    def bound(self, targets: tuple[Module, ...], trainable: int) -> int | None:
        if self.rank_pattern:
            return None
        ranks = [(module, self.rank) for module in targets]
        return trainable + most_after_moving(ranks, cap=self.most(self.rank))

    def study_numbers(self, blueprint: Blueprint, length: int) -> int:
        """Of each input its directions and the vectors that wait; and what decomposing those of one takes."""
        found = self.most(max((self.rank, *self.rank_pattern.values())))
        waiting = max(found, FEWEST_TOKENS) + length
        widths = self.inputs(blueprint)
        rows, widest = found + waiting, max(widths)
        at_work = 2 * rows * widest + 6 * min(rows, widest) ** 2
        return (found + waiting) * sum(widths) + at_work

    def refusals(self, config: RunConfig, *, device: str, rows: int) -> list[Problem]:
        most_tokens = min(rows, self.study_rows) * config.data.max_length
        return [*super().refusals(config, device=device, rows=rows), *self.too_few(most_tokens)]

    def too_few(self, tokens: int) -> list[Problem]:
        """Why `tokens` trained tokens are not enough to find as many directions as a module may get."""
        widest = self.most(max((self.rank, *self.rank_pattern.values())))
        if tokens >= widest:
            return []
        field = "method.rho" if self.moves and tokens >= widest / self.rho else "method.rank"
        return [
            Problem(
                f"EVA looks for {widest} directions a module, and its rows have {tokens} trained tokens at most.",
                "Lower rank or redistribution, read more rows first, or train on all tokens.",
                field,
            )
        ]
