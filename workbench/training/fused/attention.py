"""Causal attention within each row of a flattened batch, and its gradient.

Shapes: T tokens, h query heads, k key heads that g = h/k queries share each, d their width. Keys and values stand side
by side, (T, 2k, d). Short rows are plain batched products, in which the queries that share a key stand under one
another: on a CPU twice as fast as the fused kernel's gradient, with nothing repeated. Their weights are kept when they
are small, else made again on the way back. Long rows go through torch's fused kernel, whose memory does not grow with
their square.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

_fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_fused_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

_SHORT = 384
"""Tokens of a row up to which products are faster; beyond, what they would hold is too much."""
_KEPT = 160
"""Tokens of a row whose weights are kept for the way back: less than a third of what else a layer keeps."""


class Stretch(NamedTuple):
    """The tokens of one row that are computed for it: places `start` to `end` of T."""

    start: int
    end: int
    mask: Tensor | None
    """(own tokens, all tokens), added to the scores: minus infinity at what comes later. None for a long row without a
    beginning of others', which the fused kernel masks by itself."""
    before: Tensor | None = None
    """Where its beginning was computed, for an earlier row."""

    @property
    def shared(self) -> int:
        """Tokens of its beginning."""
        return 0 if self.before is None else len(self.before)

    def whole(self, states: Tensor) -> Tensor:
        """The row's states with those of its beginning."""
        own = states[self.start : self.end]
        return own if self.before is None else torch.cat([states.index_select(0, self.before), own])


Rows = tuple[Stretch, ...]


def stretches(batch: dict[str, Any]) -> Rows:
    """Where the rows of a batch lie: see `workbench.training.batches`."""
    ends = batch["segments"]
    if "spread" not in batch:
        return tuple(Stretch(start, end, _mask(end - start, 0)) for start, end in pairwise(ends))
    return tuple(_stretches(ends, batch["spread"], batch["input_ids"].shape[1]))


def _stretches(ends: tuple[int, ...], spread: Tensor, computed: int) -> Iterator[Stretch]:
    """A row's own tokens are numbered one after the other behind those of the rows before it."""
    known = 0
    for start, end in pairwise(ends):
        places = spread[start:end]
        shared = int((places < known).sum())
        own = end - start - shared
        if not own:
            continue  # the whole row was computed for others
        yield Stretch(known, known + own, _mask(own, shared), places[:shared] if shared else None)
        known += own
    assert known == computed


def _mask(own: int, shared: int) -> Tensor | None:
    if own > _SHORT and not shared:
        return None
    return torch.full((own, shared + own), float("-inf")).triu_(shared + 1)


def attend(query: Tensor, pairs: Tensor, rows: Rows, scale: float) -> tuple[Tensor, list[Tensor | None]]:
    """Query (T, h, d), keys and values (T, 2k, d) to (T, h, d); beside it, row by row, what the gradient needs."""
    output = torch.empty(query.shape, dtype=query.dtype)
    kept: list[Tensor | None] = []
    for row in rows:
        own = slice(row.start, row.end)
        whole = row.whole(pairs)
        if len(whole) > _SHORT:
            found, normaliser = _attend_long(row, query[own], whole, scale)
            output[own] = found
            kept.append(normaliser)
            continue
        keys, values = _keys_and_values(whole)
        weights = _weights(_by_key(query[own], keys), keys, row, scale)
        _back_in_place(output[own], weights @ values)
        kept.append(weights if len(whole) <= _KEPT else None)
    return output, kept


def attend_backward(
    gradient: Tensor, query: Tensor, pairs: Tensor, output: Tensor, kept: list[Tensor | None], rows: Rows, scale: float
) -> Tensor:
    """The gradient of `pairs`; `query` is overwritten by its own, `output` is what `attend` gave."""
    of_pairs = torch.empty(pairs.shape, dtype=pairs.dtype)
    for row, known in zip(rows, kept, strict=True):
        own = slice(row.start, row.end)
        whole = row.whole(pairs)
        if len(whole) > _SHORT:
            assert known is not None
            found = _attend_long_backward(row, gradient[own], query[own], whole, output[own], known, scale)
        else:
            found = _attend_short_backward(row, gradient[own], query[own], whole, known, scale)
        _hand_out(of_pairs, found, row)
    return of_pairs


# --- short rows ------------------------------------------------------------------------------------------------------


def _weights(queries: Tensor, keys: Tensor, row: Stretch, scale: float) -> Tensor:
    """How much each query attends to each key: (k, g·own, all)."""
    scores = (queries @ keys.transpose(1, 2)).mul_(scale)
    assert row.mask is not None
    scores.view(len(keys), -1, *row.mask.shape).add_(row.mask)
    return scores.softmax(-1)


def _attend_short_backward(
    row: Stretch, gradient: Tensor, query: Tensor, whole: Tensor, weights: Tensor | None, scale: float
) -> Tensor:
    keys, values = _keys_and_values(whole)
    queries, of_output = _by_key(query, keys), _by_key(gradient, keys)
    if weights is None:
        weights = _weights(queries, keys, row, scale)
    found = torch.empty(whole.shape, dtype=whole.dtype)
    of_keys, of_values = _keys_and_values(found)
    of_values.copy_(weights.transpose(1, 2) @ of_output)
    of_weights = of_output @ values.transpose(1, 2)
    of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype).mul_(scale)
    of_keys.copy_(of_scores.transpose(1, 2) @ queries)
    _back_in_place(query, of_scores @ keys)
    return found


def _keys_and_values(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """(all, 2k, d) as twice (k, all, d)."""
    half = pairs.shape[1] // 2
    return pairs[:, :half].transpose(0, 1), pairs[:, half:].transpose(0, 1)


def _by_key(states: Tensor, keys: Tensor) -> Tensor:
    """(own, h, d) to (k, g·own, d): what belongs to one key head stands together."""
    own, _, width = states.shape
    return states.view(own, len(keys), -1, width).permute(1, 2, 0, 3).reshape(len(keys), -1, width)


def _back_in_place(into: Tensor, by_key: Tensor) -> None:
    """The way back of `_by_key`, written over `into` (own, h, d)."""
    own, _, width = into.shape
    into.view(own, len(by_key), -1, width).copy_(by_key.view(len(by_key), -1, own, width).permute(2, 0, 1, 3))


# --- long rows -------------------------------------------------------------------------------------------------------


def _attend_long(row: Stretch, query: Tensor, whole: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    keys, values = _repeated(whole, query.shape[1])
    found, normaliser = _fused(
        _heads_first(query), keys, values, 0.0, row.mask is None, attn_mask=row.mask, scale=scale
    )
    return found[0].transpose(0, 1), normaliser


def _attend_long_backward(
    row: Stretch, gradient: Tensor, query: Tensor, whole: Tensor, output: Tensor, normaliser: Tensor, scale: float
) -> Tensor:
    keys, values = _repeated(whole, query.shape[1])
    of_query, *of_both = _fused_backward(
        _heads_first(gradient), _heads_first(query), keys, values, _heads_first(output), normaliser, 0.0,
        row.mask is None, attn_mask=row.mask, scale=scale,
    )  # fmt: skip
    query.copy_(of_query[0].transpose(0, 1))
    half = whole.shape[1] // 2
    summed = [part[0].view(half, -1, *part.shape[2:]).sum(1) for part in of_both]
    return torch.cat(summed).transpose(0, 1)


def _repeated(whole: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Keys and values (1, h, all, d), each as often as queries share it."""
    keys, values = _keys_and_values(whole)
    times = heads // len(keys)
    return keys.repeat_interleave(times, 0)[None], values.repeat_interleave(times, 0)[None]


def _heads_first(states: Tensor) -> Tensor:
    return states.transpose(0, 1)[None]


def _hand_out(of_pairs: Tensor, found: Tensor, row: Stretch) -> None:
    """A row's gradient: its own tokens' is their first, that of its beginning is added to what is there."""
    of_pairs[row.start : row.end] = found[row.shared :]
    if row.before is not None:
        of_pairs.index_add_(0, row.before, found[: row.shared])
