"""What one forward pass reads: rows behind one another without padding, or, where a model needs it, padded.

Every layout carries ``labelled``, the computed positions whose next token is learnt, and ``targets``, those next
tokens, so that one loss serves all. ``tokens`` counts the rows' own tokens, whatever of them is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def shared(rows: Sequence[Row]) -> Batch:
    """As `flattened`, but what several rows begin with is computed once, and what nothing is learnt from not at all.

    A causal model's state at a token depends on the tokens up to it alone, so rows that begin alike, as with one
    system prompt, share those states: the rows of a batch become a tree (prefix sharing; Wang and Hegde 2024, who share
    the prompt of a preference pair). T tokens are computed. ``spread`` (S,) gives for each of the S tokens that the
    rows have behind one another, cut off at `segments`, the place in T where it is computed, and ``first`` (T,) the
    place in S where each computed one stands first. Both are left out where no row shares a token.
    """
    numbers: dict[tuple[int, int], int] = {}
    spread: list[int] = []
    first: list[int] = []
    depths: list[int] = []
    ends = [0]
    for row in rows:
        place = -1
        for depth, token in enumerate(row.input_ids[: _needed(row)].tolist()):
            fresh = len(numbers)
            place = numbers.setdefault((place, token), fresh)
            if place == fresh:
                first.append(len(spread))
                depths.append(depth)
            spread.append(place)
        ends.append(len(spread))
    places = torch.tensor(spread)
    labelled = [places[_labelled(row) + start] for row, start in zip(rows, ends, strict=False)]
    once = {"spread": places, "first": torch.tensor(first)} if len(first) < len(spread) else {}
    return {
        "input_ids": torch.tensor([token for _, token in numbers])[None],
        "position_ids": torch.tensor(depths)[None],
        "segments": tuple(ends),
        "labelled": torch.cat(labelled),
        "targets": _targets(rows),
        "tokens": sum(len(row.input_ids) for row in rows),
        **once,
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


def _needed(row: Row) -> int:
    """How many tokens of a row its last target depends on."""
    return int(_labelled(row)[-1]) + 1


def _targets(rows: Sequence[Row]) -> Tensor:
    return torch.cat([row.input_ids[1:][row.trained[1:]] for row in rows])
