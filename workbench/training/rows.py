"""A dataset's rows as the model reads them: tokens and the mask of those it learns from, in two flat arrays.

Knows nothing of files, templates or batches: `workbench.data` renders, the collators of `batches` arrange.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from workbench.data.rendering import Encoded


class Row(NamedTuple):
    """One row: ``input_ids`` (T,) int64 and ``trained`` (T,) bool, True where a token is one to be learnt."""

    input_ids: Tensor
    trained: Tensor

    @property
    def targets(self) -> int:
        """How many tokens the loss counts: a row's first token is never predicted."""
        return int(self.trained[1:].sum())


class Rows(Dataset[Row]):
    """Encoded rows behind one another; five bytes a token. Rows without anything to learn are left out and counted."""

    def __init__(self, encoded: Iterable[Encoded]) -> None:
        tokens, trained, ends = array("i"), bytearray(), array("q", [0])
        self.cut = 0
        """Rows that were longer than the maximum."""
        self.empty = 0
        """Rows left out because no token of them is trained."""
        for row in encoded:
            self.cut += row.cut > 0
            if not any(row.trained[1:]):
                self.empty += 1
                continue
            tokens.extend(row.input_ids)
            trained.extend(row.trained)
            ends.append(len(tokens))
        self._tokens = torch.frombuffer(tokens, dtype=torch.int32) if tokens else torch.empty(0, dtype=torch.int32)
        self._trained = torch.frombuffer(trained, dtype=torch.bool) if trained else torch.empty(0, dtype=torch.bool)
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Row:
        span = slice(self._ends[index], self._ends[index + 1])
        return Row(self._tokens[span].long(), self._trained[span])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [end - start for start, end in pairwise(self._ends)]

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self._ends[-1]

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 when there is none."""
        return max(self.lengths, default=0)
