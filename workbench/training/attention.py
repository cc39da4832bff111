"""Causal attention within each segment of a flattened batch, as an attention implementation of transformers.

A query sees its own row only: one scaled-dot-product call a segment, exact, without any mask, or one call of the kernel
for variable lengths where the machine has it (`hardware.Ways.attention`). Knows nothing of sliding windows, soft caps
or sinks: `layout` keeps such models on padded batches.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

SEGMENTS = "workbench_segments"
"""The name under which transformers finds it."""


def segment_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: tuple[int, ...],
    spread: Tensor | None = None,
    first: Tensor | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    at_once: bool = False,
    **options: Any,
) -> tuple[Tensor, None]:
    """`query` (1, heads, T, d), `key` and `value` (1, kv heads, T, d) to (1, T, heads, d).

    `segments` are the rows' cumulative ends, from 0 to T, or to S where rows share tokens: `spread` and `first` then
    lead from T to S and back (see `batches.shared`). `at_once` takes one call for all rows, unless in
    single precision or with dropout, which that kernel has not. Raises `ValueError` for what it does not compute.
    """
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if options.get(name) is not None]
    if unknown:
        raise ValueError(f"segment attention has no {', '.join(unknown)}")
    if spread is not None:
        query, key, value = (states.index_select(2, spread) for states in (query, key, value))
    grouped = query.shape[1] != key.shape[1]
    if at_once and query.dtype != torch.float32 and not dropout:
        joined = _variable_lengths(query, key, value, segments, scaling, grouped)
        return joined if first is None else joined.index_select(1, first), None
    outputs = [
        functional.scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            dropout_p=dropout,
            is_causal=True,
            scale=scaling,
            enable_gqa=grouped,
        ).transpose(1, 2)
        for start, end in pairwise(segments)
    ]
    joined = torch.cat(outputs, dim=1)
    return joined if first is None else joined.index_select(1, first), None


def _variable_lengths(
    query: Tensor, key: Tensor, value: Tensor, segments: tuple[int, ...], scaling: float | None, grouped: bool
) -> Tensor:
    """All rows in one call of torch's FlashAttention; it needs a GPU from Ampere on, and was never run without one."""
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor(segments, dtype=torch.int32, device=query.device)
    longest = max(end - start for start, end in pairwise(segments))
    tokens_first = [states[0].transpose(0, 1) for states in (query, key, value)]
    found: Any = varlen_attn(
        tokens_first[0],
        tokens_first[1],
        tokens_first[2],
        ends,
        ends,
        longest,
        longest,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=grouped,
    )
    joined: Tensor = found[None]
    return joined


def _no_mask(*_: Any, **__: Any) -> None:
    """The segments say it all."""


def register(way: Literal["varlen", "segments"]) -> None:
    """Make transformers know it, computed that way from now on."""
    AttentionInterface.register(SEGMENTS, partial(segment_attention, at_once=way == "varlen"))
    AttentionMaskInterface.register(SEGMENTS, _no_mask)
