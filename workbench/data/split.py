"""Which rows are trained on and which are held out: a function of the number of rows, the share and the seed alone."""

from __future__ import annotations

from random import Random


def split(rows: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices of `rows` rows to train on and to hold out, each in file order.

    Any share above 0 holds out at least one row and leaves at least one to train on, where there are two.
    """
    held_out = 0 if share <= 0 or rows < 2 else min(rows - 1, max(1, round(rows * share)))
    chosen = set(Random(seed).sample(range(rows), held_out))
    return [row for row in range(rows) if row not in chosen], sorted(chosen)
