"""The fields of every method that has a rank: its width, its strength, its dropout. And a check of that width."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from workbench.errors import Problem
from workbench.method import Method
from workbench.records.base_models import Module


class Ranked(Method):
    """A method whose matrices have an inner width."""

    rank: int = Field(
        8,
        ge=1,
        le=4096,
        title="Rank",
        description="Inner width of the two matrices: more can learn more, and costs more.",
    )
    alpha: float = Field(
        16, gt=0, le=65536, title="Alpha", description="Strength of the update: it is scaled by alpha / rank."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, title="Dropout", description="Share of the adapter's inputs that are dropped while training."
    )


def rank_problems(ranks: Iterable[tuple[Module, int]], field: str = "method.rank") -> list[Problem]:
    """A rank above the width of its module: the matrix would be larger than what it replaces."""
    limits = ((min(module.in_features, module.out_features), module, rank) for module, rank in ranks)
    wrong = min(((limit, rank, module) for limit, module, rank in limits if rank > limit), default=None, key=_limit)
    if wrong is None:
        return []
    limit, rank, module = wrong
    return [
        Problem(
            f"Rank {rank} is above the width {limit} of {module.name}"
            f" ({module.in_features} in, {module.out_features} out).",
            f"Choose a rank of at most {limit}; most adapters need 4 to 64.",
            field,
        )
    ]


def _limit(found: tuple[int, int, Module]) -> int:
    return found[0]
