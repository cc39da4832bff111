"""The small operations between the products, with their gradients, in as few passes over memory as torch allows.

Shapes: T tokens, H hidden, I intermediate, h heads, d head width. Everything in place says so in its name or docstring.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

_attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_attend_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _inverse_rms(states: Tensor, epsilon: float) -> Tensor:
    norm = torch.linalg.vector_norm(states, dim=1, keepdim=True)
    inverse: Tensor = norm.square_().div_(states.shape[1]).add_(epsilon).rsqrt_()
    return inverse


def rms_norm(states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """RMSNorm of (T, H) (Zhang and Sennrich 2019, equation 4)."""
    return (states * _inverse_rms(states, epsilon)).mul_(weight)


def rms_norm_backward(gradient: Tensor, states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """The gradient of `states`; `gradient` is overwritten and returned."""
    inverse = _inverse_rms(states, epsilon)
    scaled = gradient.mul_(weight)
    along = torch.linalg.vecdot(scaled, states)[:, None].mul_(inverse.pow(3)).div_(states.shape[1])
    return scaled.mul_(inverse).addcmul_(states, along, value=-1)


def swiglu_backward_(gradient: Tensor, opened: Tensor, gate: Tensor, up: Tensor) -> None:
    """Of silu(gate)·up: `gate` and `up` are overwritten by their gradients; `opened` is silu(gate), each (T, I)."""
    gate.copy_(torch.ops.aten.silu_backward(up.mul_(gradient), gate))
    torch.mul(opened, gradient, out=up)


def rotate_(states: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """Rotary positions (Su et al. 2021) in place on (T, h, d), with cosine and sine (T, 1, d/2).

    With the sine negated it is its own gradient.
    """
    half = states.shape[-1] // 2
    first, second = states[..., :half], states[..., half:]
    kept = first.clone()
    first.mul_(cosine).addcmul_(second, sine, value=-1)
    second.mul_(cosine).addcmul_(kept, sine)


class Stretch(NamedTuple):
    """The tokens of one row that are computed for it: places `start` to `end` of T."""

    start: int
    end: int
    before: Tensor | None = None
    """Where its beginning was computed, for an earlier row."""
    mask: Tensor | None = None
    """(own tokens, all tokens), added to the scores: minus infinity at what comes later."""

    def whole(self, states: Tensor) -> Tensor:
        """The row's states with those of its beginning."""
        own = states[self.start : self.end]
        return own if self.before is None else torch.cat([states.index_select(0, self.before), own])


Rows = tuple[Stretch, ...]


def stretches(batch: dict[str, Any]) -> Rows:
    """Where the rows of a batch lie: see `workbench.training.batches`."""
    ends = batch["segments"]
    if "spread" not in batch:
        return tuple(Stretch(start, end) for start, end in pairwise(ends))
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
        if shared:
            mask = torch.full((own, shared + own), float("-inf")).triu_(shared + 1)
            yield Stretch(known, known + own, places[:shared], mask)
        else:
            yield Stretch(known, known + own)
        known += own
    assert known == computed


def attend(query: Tensor, key: Tensor, value: Tensor, rows: Rows, scale: float) -> tuple[Tensor, list[Tensor]]:
    """Causal attention within each row: (T, h, d) three times to (T, h, d), and what the gradient needs."""
    output = torch.empty(query.shape, dtype=query.dtype)
    normalisers = []
    for row in rows:
        asked = _heads_first(query[row.start : row.end])
        keys, values = (_heads_first(row.whole(states)) for states in (key, value))
        found, normaliser = _attend(asked, keys, values, 0.0, row.mask is None, attn_mask=row.mask, scale=scale)
        output[row.start : row.end] = found[0].transpose(0, 1)
        normalisers.append(normaliser)
    return output, normalisers


def attend_backward(
    gradient: Tensor, states: tuple[Tensor, Tensor, Tensor, Tensor], normalisers: list[Tensor], rows: Rows,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The gradients of query, key and value; `states` are the three and the output."""
    query, key, value, output = states
    found = tuple(torch.empty(gradient.shape, dtype=gradient.dtype) for _ in range(3))
    for row, normaliser in zip(rows, normalisers, strict=True):
        own = slice(row.start, row.end)
        parts = _attend_backward(
            _heads_first(gradient[own]),
            _heads_first(query[own]),
            _heads_first(row.whole(key)),
            _heads_first(row.whole(value)),
            _heads_first(output[own]),
            normaliser,
            0.0,
            row.mask is None,
            attn_mask=row.mask,
            scale=scale,
        )
        found[0][own] = parts[0][0].transpose(0, 1)
        for whole, part in zip(found[1:], parts[1:], strict=True):
            _hand_out(whole, part[0].transpose(0, 1), row)
    return found[0], found[1], found[2]


def _hand_out(whole: Tensor, part: Tensor, row: Stretch) -> None:
    """A row's gradient of keys or values: its own are its first, those of its beginning are added to what is there."""
    shared = 0 if row.before is None else len(row.before)
    whole[row.start : row.end] = part[shared:]
    if row.before is not None:
        whole.index_add_(0, row.before, part[:shared])


def _heads_first(rows: Tensor) -> Tensor:
    return rows.transpose(0, 1)[None]
