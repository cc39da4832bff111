"""Which rows are trained on and which are held out: a function of the rows, the share and the seed alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from random import Random

Parts = tuple[list[int], list[int]]
"""The indices of the rows to train on and of those to hold out, each in file order."""


def split(rows: int, share: float, seed: int) -> Parts:
    """Hold out a share of `rows` rows.

    Any share above 0 holds out at least one row and leaves at least one to train on, where there are two.
    """
    return _parts(rows, set(Random(seed).sample(range(rows), held_out_rows(rows, share))))


def split_grouped(groups: Sequence[Hashable], share: float, seed: int) -> Parts:
    """Hold out whole groups, so that no group is on both sides; `groups` names the group of each row.

    Groups are taken in an order of chance while they bring the held-out share nearer to the wanted one; where none
    does, a share above 0 holds out one of the smallest, if there is another to train on.
    """
    sizes: dict[Hashable, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    order = list(sizes)
    Random(seed).shuffle(order)
    wanted = held_out_rows(len(groups), share)
    chosen: set[Hashable] = set()
    held_out = 0
    for group in order:
        if len(chosen) < len(order) - 1 and abs(held_out + sizes[group] - wanted) < abs(held_out - wanted):
            chosen.add(group)
            held_out += sizes[group]
    if wanted and not chosen and len(order) > 1:
        chosen.add(min(order, key=sizes.__getitem__))
    return _parts(len(groups), {row for row, group in enumerate(groups) if group in chosen})


def split_stratified(labels: Sequence[Hashable], share: float, seed: int) -> Parts:
    """Hold out the same share of every label, to the nearest row; `labels` names the label of each row."""
    rows_of: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        rows_of.setdefault(label, []).append(row)
    chance = Random(seed)
    chosen: set[int] = set()
    for rows in rows_of.values():
        chosen.update(chance.sample(rows, min(round(len(rows) * share), len(rows) - 1)))
    return _parts(len(labels), chosen) if chosen else split(len(labels), share, seed)


def held_out_rows(rows: int, share: float) -> int:
    """How many of `rows` rows a share of them is: at least one where it is above 0, and never all."""
    return 0 if share <= 0 or rows < 2 else min(rows - 1, max(1, round(rows * share)))


def _parts(rows: int, held_out: set[int]) -> Parts:
    return [row for row in range(rows) if row not in held_out], sorted(held_out)
