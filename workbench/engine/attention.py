"""Attention over many rows at once: the batch is one flat line of tokens, and each row keeps its own keys and values.

Nothing is padded, so a row's numbers do not depend on its neighbours' lengths, rows may join and leave at any step,
and a row that is still reading its prompt stands beside rows that write. transformers calls `attend_rows` in every
layer; the forward pass hands it the rows as the keyword argument ``segments``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

IMPLEMENTATION = "workbench_rows"
FIRST_CAPACITY = 128


class KeyValues:
    """The keys and values of one row, layer by layer, in buffers that double when they are full."""

    def __init__(self) -> None:
        self.length = 0
        """Tokens in it, in every layer."""
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (1, heads, tokens, width) behind what is there and return all of it; `advance` makes it count."""
        end = self.length + keys.shape[2]
        stored = self._layers.get(layer)
        if stored is None or stored[0].shape[2] < end:
            stored = self._grow(layer, keys, values, end)
        stored[0][:, :, self.length : end] = keys
        stored[1][:, :, self.length : end] = values
        return stored[0][:, :, :end], stored[1][:, :, :end]

    def advance(self, tokens: int) -> None:
        """Count `tokens` that every layer has now seen."""
        self.length += tokens

    def _grow(self, layer: int, keys: Tensor, values: Tensor, end: int) -> tuple[Tensor, Tensor]:
        capacity = FIRST_CAPACITY
        while capacity < end:
            capacity *= 2
        grown = tuple(tensor.new_empty((*tensor.shape[:2], capacity, tensor.shape[3])) for tensor in (keys, values))
        if layer in self._layers:
            for new, old in zip(grown, self._layers[layer], strict=True):
                new[:, :, : self.length] = old[:, :, : self.length]
        self._layers[layer] = (grown[0], grown[1])
        return self._layers[layer]


@dataclass(frozen=True)
class Segment:
    """The stretch of the flat line that belongs to one row."""

    start: int
    end: int
    past: KeyValues


def attend_rows(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Sequence[Segment],
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of each segment over its own past; (1, heads, tokens, width) in, (1, tokens, heads, width) out."""
    if s_aux is not None:
        raise NotImplementedError("attention sinks")
    layer: Any = module.layer_idx
    return attend(layer, query, key, value, segments, scaling, sliding_window, softcap).transpose(1, 2), None


def attend(
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Sequence[Segment],
    scaling: float | None,
    sliding_window: int | None = None,
    softcap: float | None = None,
) -> Tensor:
    """The same for one layer by its number, (1, heads, tokens, width) in and out; keys and values are remembered."""
    outputs = []
    for segment in segments:
        own = slice(segment.start, segment.end)
        keys, values = segment.past.extend(layer, key[:, :, own], value[:, :, own])
        outputs.append(_attend(query[:, :, own], keys, values, scaling, sliding_window, softcap))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)


def _attend(
    query: Tensor, keys: Tensor, values: Tensor, scaling: float | None, window: int | None, softcap: float | None
) -> Tensor:
    new, total = query.shape[2], keys.shape[2]
    if new == 1:
        if window is not None and total > window:
            keys, values = keys[:, :, -window:], values[:, :, -window:]
        return _attend_one(query, keys, values, scaling, softcap)
    plain = new == total and (window is None or total <= window)
    if softcap is not None:
        return _capped(query, keys, values, scaling, softcap, _mask(new, total, window, query.device))
    mask = None if plain else _mask(new, total, window, query.device)
    return scaled_dot_product_attention(
        query,
        keys,
        values,
        attn_mask=mask,
        is_causal=plain,
        scale=scaling,
        enable_gqa=query.shape[1] != keys.shape[1],
    )


def _attend_one(query: Tensor, keys: Tensor, values: Tensor, scaling: float | None, softcap: float | None) -> Tensor:
    """One token's attention: the query heads that share keys become as many queries of one head."""
    grouped = query.reshape(1, keys.shape[1], -1, query.shape[3])
    if softcap is not None:
        return _capped(grouped, keys, values, scaling, softcap, None).reshape(query.shape)
    return scaled_dot_product_attention(grouped, keys, values, scale=scaling).reshape(*query.shape[:3], -1)


def _mask(new: int, total: int, window: int | None, device: torch.device) -> Tensor:
    """(new, total): True where a token may look."""
    here = torch.arange(total - new, total, device=device)[:, None]
    there = torch.arange(total, device=device)[None, :]
    mask = there <= here
    return mask if window is None else mask & (there > here - window)


def _capped(
    query: Tensor, keys: Tensor, values: Tensor, scaling: float | None, softcap: float, mask: Tensor | None
) -> Tensor:
    """Attention whose scores are squeezed into ±softcap (Gemma 2), which the fused kernels cannot do."""
    groups = query.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
    scores = query @ keys.transpose(2, 3) * (query.shape[3] ** -0.5 if scaling is None else scaling)
    scores = (scores / softcap).tanh() * softcap
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1, dtype=torch.float32).to(values.dtype) @ values


def _no_mask(*_: Any, **__: Any) -> None:
    """The segments say who may look at whom."""


AttentionInterface.register(IMPLEMENTATION, attend_rows)
AttentionMaskInterface.register(IMPLEMENTATION, _no_mask)
