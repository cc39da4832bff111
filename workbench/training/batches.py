"""What one forward pass reads: rows behind one another without padding, or, where a model needs it, padded.

Both layouts carry ``labelled``, the flat positions whose next token is learnt, and ``targets``, those next tokens, so
that one loss serves both. Also the order of the rows: a pure function of seed and epoch, so that a position is enough
to go on from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from workbench.training.rows import Row

Batch = dict[str, Any]


def flattened(rows: Sequence[Row]) -> Batch:
    """One row of all tokens; ``position_ids`` restart with each row, ``segments`` are the cumulative ends, from 0."""
    lengths = [len(row.input_ids) for row in rows]
    ends = numpy.cumsum([0, *lengths]).tolist()
    return {
        "input_ids": torch.cat([row.input_ids for row in rows])[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "segments": tuple(ends),
        "labelled": torch.cat([_labelled(row) + start for row, start in zip(rows, ends, strict=False)]),
        "targets": _targets(rows),
        "tokens": ends[-1],
    }


def padded(rows: Sequence[Row]) -> Batch:
    """A row a line, filled up at the right to the longest; the mask hides the filling."""
    width = max(len(row.input_ids) for row in rows)
    ones = [torch.ones_like(row.input_ids) for row in rows]
    return {
        "input_ids": pad_sequence([row.input_ids for row in rows], batch_first=True),
        "attention_mask": pad_sequence(ones, batch_first=True),
        "labelled": torch.cat([_labelled(row) + line * width for line, row in enumerate(rows)]),
        "targets": _targets(rows),
        "tokens": sum(len(row.input_ids) for row in rows),
    }


def _labelled(row: Row) -> Tensor:
    return row.trained[1:].nonzero().squeeze(1)


def _targets(rows: Sequence[Row]) -> Tensor:
    return torch.cat([row.input_ids[1:][row.trained[1:]] for row in rows])


class ShuffledBatches:
    """Index batches of an epoch in an order that seed and epoch alone decide; a `DataLoader`'s batch sampler."""

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


class EpochLoader(torch.utils.data.DataLoader[Row]):
    """A `DataLoader` that tells its batch sampler the epoch, as the Trainer expects of one."""

    def set_epoch(self, epoch: int) -> None:
        sampler: Any = self.batch_sampler
        sampler.set_epoch(epoch)
