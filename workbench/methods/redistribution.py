"""The most that methods which move rank between modules can come to. Arithmetic on widths and ranks."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.records.base_models import Module


def most_after_moving(ranks: Sequence[tuple[Module, int]], cap: int, budget: int | None = None) -> int:
    """How many parameters more than now the widest use of the same ranks takes.

    `ranks` are the modules with their ranks now. All ranks together are at most `budget`, or what they are now; none
    is above `cap` or its module's own width. The widest modules get theirs first.
    """
    left = sum(rank for _, rank in ranks) if budget is None else budget
    now = sum(rank * _width(module) for module, rank in ranks)
    most = 0
    for module, _ in sorted(ranks, key=lambda each: -_width(each[0])):
        rank = min(cap, left, module.in_features, module.out_features)
        most += rank * _width(module)
        left -= rank
    return most - now


def _width(module: Module) -> int:
    return module.in_features + module.out_features
