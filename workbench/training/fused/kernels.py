"""The small operations between the products, with their gradients, in as few passes over memory as torch allows.

Shapes: T tokens, H hidden, I intermediate, h heads, d head width. Everything in place says so in its name or docstring.
"""

from __future__ import annotations

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


class Places(NamedTuple):
    """Where the rows of a batch end, and which of their tokens are computed once: see `workbench.training.batches`."""

    ends: tuple[int, ...]
    spread: Tensor | None = None
    first: Tensor | None = None
    again: Tensor | None = None
    """The places in S of tokens that were computed for an earlier row."""

    @classmethod
    def of(cls, batch: dict[str, Any]) -> Places:
        if "spread" not in batch:
            return cls(batch["segments"])
        repeated = torch.ones(len(batch["spread"]), dtype=torch.bool)
        repeated[batch["first"]] = False
        return cls(batch["segments"], batch["spread"], batch["first"], repeated.nonzero().squeeze(1))

    def in_rows(self, states: Tensor) -> Tensor:
        """(T, ...) to (S, ...): every row with all its tokens."""
        return states if self.spread is None else states.index_select(0, self.spread)

    def once(self, states: Tensor) -> Tensor:
        """(S, ...) to (T, ...): every token where it stands first."""
        return states if self.first is None else states.index_select(0, self.first)

    def summed(self, states: Tensor) -> Tensor:
        """(S, ...) to (T, ...): the gradient of `in_rows`."""
        if self.spread is None or self.again is None:
            return states
        return self.once(states).index_add_(0, self.spread[self.again], states[self.again])

    def alone(self, states: Tensor) -> Tensor:
        """(T, ...) to (S, ...): the gradient of `once`."""
        if self.first is None:
            return states
        return states.new_zeros(self.ends[-1], *states.shape[1:]).index_copy_(0, self.first, states)


def attend(query: Tensor, key: Tensor, value: Tensor, places: Places, scale: float) -> tuple[Tensor, list[Tensor]]:
    """Causal attention within each row: (T, h, d) three times to (T, h, d), and what the gradient needs."""
    query, key, value = (places.in_rows(states) for states in (query, key, value))
    output = torch.empty(query.shape, dtype=query.dtype)
    normalisers = []
    for start, end in pairwise(places.ends):
        rows = [_heads_first(states[start:end]) for states in (query, key, value)]
        found, normaliser = _attend(*rows, 0.0, True, scale=scale)
        output[start:end] = found[0].transpose(0, 1)
        normalisers.append(normaliser)
    return places.once(output), normalisers


def attend_backward(
    gradient: Tensor, states: tuple[Tensor, Tensor, Tensor, Tensor], normalisers: list[Tensor], places: Places,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The gradients of query, key and value; `states` are the three and the output."""
    states = tuple(places.in_rows(each) for each in states)  # type: ignore[assignment]
    gradient = places.alone(gradient)
    found = tuple(torch.empty(gradient.shape, dtype=gradient.dtype) for _ in range(3))
    for (start, end), normaliser in zip(pairwise(places.ends), normalisers, strict=True):
        query, key, value, output = (_heads_first(each[start:end]) for each in states)
        upstream = _heads_first(gradient[start:end])
        parts = _attend_backward(upstream, query, key, value, output, normaliser, 0.0, True, scale=scale)
        for whole, part in zip(found, parts, strict=True):
            whole[start:end] = part[0].transpose(0, 1)
    return places.summed(found[0]), places.summed(found[1]), places.summed(found[2])


def _heads_first(rows: Tensor) -> Tensor:
    return rows.transpose(0, 1)[None]
