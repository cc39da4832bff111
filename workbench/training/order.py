"""Which rows make a batch, and in which order: a pure function of the rows' lengths, the settings, seed and epoch.

A position is therefore enough to go on from. Knows lengths only; what a batch looks like is decided in `batches`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy
from torch.utils.data import DataLoader

from workbench.training.rows import Row
from workbench.training_config import TrainingConfig

Group = Sequence[int]
"""Rows that stay together."""


class Order(Protocol):
    """Batches of row numbers, epoch by epoch; a `DataLoader`'s batch sampler."""

    def set_epoch(self, epoch: int) -> None: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[int]]: ...


class ShuffledBatches:
    """So many rows a batch, in an order that seed and epoch alone decide."""

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = numpy.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        for start in range(0, self.rows, self.batch_size):
            yield order[start : start + self.batch_size].tolist()


class ShuffledGroups:
    """So many groups a batch. Which rows are a group is decided once a run, their order anew each epoch."""

    def __init__(self, groups: Sequence[Group], a_batch: int, seed: int) -> None:
        self._groups = groups
        self._order = ShuffledBatches(len(groups), a_batch, seed)

    def set_epoch(self, epoch: int) -> None:
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[list[int]]:
        for chosen in self._order:
            yield [row for group in chosen for row in self._groups[group]]


def order_of(lengths: Sequence[int], training: TrainingConfig, capacity: int) -> Order:
    """The batches that `training` asks for; `capacity` is the longest row in tokens, which packing fills up to."""
    if training.batch_tokens is not None:
        return ShuffledGroups(within_budget(lengths, training.batch_tokens, training.seed), 1, training.seed)
    if training.packing:
        return ShuffledGroups(best_fit(lengths, capacity), training.batch_size, training.seed)
    return ShuffledBatches(len(lengths), training.batch_size, training.seed)


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Row numbers in groups of at most `capacity` tokens: the longest row first, each where it leaves the least room.

    Best-fit decreasing (Johnson et al. 1974), at most 11/9 of the fewest groups possible; as rows are, close to them.
    """
    groups: list[list[int]] = []
    with_room: dict[int, list[int]] = {}
    """Groups by the tokens that still fit into them."""
    rooms: list[int] = []
    """The keys of `with_room`, in order."""
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        length = lengths[row]
        place = bisect_left(rooms, length)
        if place == len(rooms):
            group, room = len(groups), capacity
            groups.append([])
        else:
            room = rooms[place]
            group = with_room[room].pop()
            if not with_room[room]:
                del with_room[room], rooms[place]
        groups[group].append(row)
        left = room - length
        if left > 0:
            if left not in with_room:
                insort(rooms, left)
            with_room.setdefault(left, []).append(group)
    return groups


def within_budget(lengths: Sequence[int], budget: int, seed: int) -> list[list[int]]:
    """Row numbers in shuffled order, cut into groups of at most `budget` tokens; a longer row stands alone."""
    groups: list[list[int]] = []
    taken = 0
    for row in numpy.random.default_rng(seed).permutation(len(lengths)).tolist():
        if not groups or taken + lengths[row] > budget:
            groups.append([])
            taken = 0
        groups[-1].append(row)
        taken += lengths[row]
    return groups


class RowLoader(DataLoader[Row]):
    """Hands a batch's rows over as they are, under the key ``rows``; tells its order the epoch."""

    def __init__(self, rows: Any, order: Order) -> None:
        super().__init__(rows, batch_sampler=order, collate_fn=_as_they_are)

    def set_epoch(self, epoch: int) -> None:
        order: Any = self.batch_sampler
        order.set_epoch(epoch)


def _as_they_are(rows: list[Row]) -> dict[str, Any]:
    return {"rows": rows}
