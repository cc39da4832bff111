"""Causal attention within each row of a flattened batch, and its gradient.

Shapes: T tokens, h query heads, k key heads that g = h/k queries share each, d their width. Keys and values stand side
by side, (T, 2k, d). For a whole batch at once, queries are laid out (k, T·g, d), so that the queries of a row that
share a key stand under one another, and keys and values behind one another row by row, with what a row shares with
others. Then short rows are a few plain batched products each: on a CPU twice as fast as the fused kernel's gradient.
Their weights are kept when they are small, else made again on the way back. Long rows go through torch's fused kernel,
whose memory does not grow with their square.
"""

from __future__ import annotations

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
    """One row: the tokens that are computed for it, and all that these may look at."""

    queries: slice
    """Of the T·g: its own tokens', g for each."""
    keys: slice
    """Of all rows' tokens, laid behind one another: its own, behind those of its beginning."""
    own: int
    """Its own tokens."""
    mask: Tensor | None
    """Added to the scores, minus infinity at what comes later: (g·own, all) for a short row; for a long one (own, all),
    or None where it begins like no other, since the fused kernel then masks by itself."""

    @property
    def length(self) -> int:
        """Tokens, with those of its beginning."""
        return int(self.keys.stop - self.keys.start)

    @property
    def long(self) -> bool:
        return self.length > _SHORT


class Rows(NamedTuple):
    """How the rows of a batch lie."""

    stretches: tuple[Stretch, ...]
    places: Tensor | None
    """For each row's tokens behind one another, where they are computed; None where each is computed for one row."""

    def whole(self, pairs: Tensor) -> Tensor:
        """Keys and values of all rows behind one another."""
        return pairs if self.places is None else pairs.index_select(0, self.places)

    def handed_back(self, found: Tensor, tokens: int) -> Tensor:
        """The way back of `whole` for gradients: those of a token that several rows share are added up."""
        if self.places is None:
            return found
        return found.new_zeros(tokens, *found.shape[1:]).index_add_(0, self.places, found)


def rows_of(batch: dict[str, Any], group: int) -> Rows:
    """Where the rows of a batch lie, g = `group`: see `workbench.training.batches`."""
    spread: Tensor | None = batch.get("spread")
    stretches: list[Stretch] = []
    places: list[Tensor] = []
    known = laid = 0
    for start, end in pairwise(batch["segments"]):
        row = None if spread is None else spread[start:end]
        shared = 0 if row is None else int((row < known).sum())  # its own are numbered behind those of the rows before
        own = end - start - shared
        if not own:
            continue  # the whole row was computed for others
        if row is not None:
            places.append(row)
        queries, keys = slice(known * group, (known + own) * group), slice(laid, laid + shared + own)
        stretches.append(Stretch(queries, keys, own, _mask(own, shared, group)))
        known, laid = known + own, keys.stop
    assert known == batch["input_ids"].shape[1]
    return Rows(tuple(stretches), torch.cat(places) if places else None)


def _mask(own: int, shared: int, group: int) -> Tensor | None:
    long = shared + own > _SHORT
    if long and not shared:
        return None
    later = torch.full((own, shared + own), float("-inf")).triu_(shared + 1)
    return later if long else later.repeat_interleave(group, 0)


def attend(query: Tensor, pairs: Tensor, rows: Rows, scale: float) -> tuple[Tensor, list[Tensor | None]]:
    """Query (T, h, d), keys and values (T, 2k, d) to (T, h, d); beside it, row by row, what the gradient needs."""
    queries = _by_key(query, pairs, scale)
    keys, values = _keys_and_values(rows.whole(pairs))
    output = torch.empty_like(queries)
    kept: list[Tensor | None] = []
    for row in rows.stretches:
        attend_row = _attend_long if row.long else _attend_short
        own, seen = row.queries, row.keys
        kept.append(attend_row(row, queries[:, own], keys[:, seen], values[:, seen], output[:, own]))
    return _by_token(output, query).contiguous().view(query.shape), kept


def attend_backward(
    gradient: Tensor, query: Tensor, pairs: Tensor, output: Tensor, kept: list[Tensor | None], rows: Rows, scale: float
) -> Tensor:
    """The gradient of `pairs`; `query` is overwritten by its own, `output` is what `attend` gave."""
    queries, of_output = _by_key(query, pairs, scale), _by_key(gradient, pairs)
    whole = rows.whole(pairs)
    keys, values = _keys_and_values(whole)
    of_whole = torch.empty(whole.shape, dtype=whole.dtype)
    of_keys, of_values = _keys_and_values(of_whole)
    of_queries = torch.empty_like(queries)
    outputs = _by_key(output, pairs) if any(row.long for row in rows.stretches) else of_queries
    for row, known in zip(rows.stretches, kept, strict=True):
        own, seen = row.queries, row.keys
        given = _Given(queries[:, own], keys[:, seen], values[:, seen], outputs[:, own], of_output[:, own], known)
        back = _long_backward if row.long else _short_backward
        back(row, given, of_queries[:, own], of_keys[:, seen], of_values[:, seen])
    torch.mul(_by_token(of_queries, query), scale, out=query.view(len(query), len(keys), -1, query.shape[2]))
    return rows.handed_back(of_whole, len(pairs))


class _Given(NamedTuple):
    """What the gradient of one row is made from."""

    queries: Tensor
    """(k, g·own, d), already scaled."""
    keys: Tensor
    """(k, all, d)."""
    values: Tensor
    output: Tensor
    """(k, g·own, d); of a long row."""
    of_output: Tensor
    known: Tensor | None
    """What the forward kept."""


def _keys_and_values(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """(all, 2k, d) as twice (k, all, d)."""
    half = pairs.shape[1] // 2
    return pairs[:, :half].transpose(0, 1), pairs[:, half:].transpose(0, 1)


def _by_key(states: Tensor, pairs: Tensor, scale: float = 1.0) -> Tensor:
    """(T, h, d), times `scale`, to (k, T·g, d): what belongs to one key head stands together."""
    tokens, heads, width = states.shape
    keys = pairs.shape[1] // 2
    laid_out = states.new_empty(keys, tokens, heads // keys, width)
    torch.mul(states.view(tokens, keys, -1, width).transpose(0, 1), scale, out=laid_out)
    return laid_out.view(keys, -1, width)


def _by_token(by_key: Tensor, states: Tensor) -> Tensor:
    """The way back of `_by_key` to the tokens of `states`, as a view (T, k, g, d)."""
    return by_key.view(len(by_key), len(states), -1, states.shape[2]).transpose(0, 1)


# --- short rows ------------------------------------------------------------------------------------------------------


def _attend_short(row: Stretch, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor) -> Tensor | None:
    weights = _weights(row, queries, keys)
    torch.bmm(weights, values, out=output)
    return weights if row.length <= _KEPT else None


def _short_backward(row: Stretch, given: _Given, of_queries: Tensor, of_keys: Tensor, of_values: Tensor) -> None:
    weights = _weights(row, given.queries, given.keys) if given.known is None else given.known
    torch.bmm(weights.transpose(1, 2), given.of_output, out=of_values)
    of_weights = given.of_output @ given.values.transpose(1, 2)
    of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    torch.bmm(of_scores.transpose(1, 2), given.queries, out=of_keys)
    torch.bmm(of_scores, given.keys, out=of_queries)


def _weights(row: Stretch, queries: Tensor, keys: Tensor) -> Tensor:
    """How much each query attends to each key: (k, g·own, all)."""
    assert row.mask is not None
    return torch.baddbmm(row.mask, queries, keys.transpose(1, 2)).softmax(-1)


# --- long rows -------------------------------------------------------------------------------------------------------


def _attend_long(row: Stretch, queries: Tensor, keys: Tensor, values: Tensor, output: Tensor) -> Tensor:
    group = queries.shape[1] // row.own
    heads = _heads(queries, group), _repeated(keys, group), _repeated(values, group)
    found, normaliser = _fused(*heads, 0.0, row.mask is None, attn_mask=row.mask, scale=1.0)
    output.copy_(_of_heads(found, output))
    kept: Tensor = normaliser
    return kept


def _long_backward(row: Stretch, given: _Given, of_queries: Tensor, of_keys: Tensor, of_values: Tensor) -> None:
    group = given.queries.shape[1] // row.own
    queries, output, of_output = (_heads(each, group) for each in (given.queries, given.output, given.of_output))
    keys, values = _repeated(given.keys, group), _repeated(given.values, group)
    found = _fused_backward(
        of_output, queries, keys, values, output, given.known, 0.0, row.mask is None, attn_mask=row.mask, scale=1.0
    )
    of_queries.copy_(_of_heads(found[0], of_queries))
    for place, part in zip((of_keys, of_values), found[1:], strict=True):
        place.copy_(part[0].view(len(place), group, *place.shape[1:]).sum(1))


def _heads(by_key: Tensor, group: int) -> Tensor:
    """(k, own·g, d) to (1, h, own, d)."""
    keys, _, width = by_key.shape
    return by_key.view(keys, -1, group, width).transpose(1, 2).reshape(1, keys * group, -1, width)


def _of_heads(by_head: Tensor, like: Tensor) -> Tensor:
    """The way back of `_heads`."""
    return by_head[0].view(len(like), -1, *by_head.shape[2:]).transpose(1, 2).reshape(like.shape)


def _repeated(states: Tensor, group: int) -> Tensor:
    """Keys or values (k, all, d) to (1, h, all, d), each as often as queries share it."""
    return states.repeat_interleave(group, 0)[None]
