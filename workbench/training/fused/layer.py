"""One decoder layer, attention and SwiGLU, as a single autograd function.

It keeps what cannot be had again cheaply: the layer's input, rotated q/k and v, the attention's output, the state
between the two halves, gate and up. Norms and SwiGLU are computed again on the way back. With `recompute` it keeps the
input alone and runs its forward once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from workbench.training.fused.attention import Rows, attend, attend_backward
from workbench.training.fused.kernels import rms_norm, rms_norm_backward, rotate_, swiglu_backward_
from workbench.training.fused.products import Product


@dataclass(frozen=True)
class Layer:
    """The frozen parts of a decoder layer, and how wide they are."""

    attention_norm: Tensor
    mlp_norm: Tensor
    epsilon: float
    attention_in: Product
    """q, k and v."""
    attention_out: Product
    mlp_in: Product
    """gate and up."""
    mlp_out: Product
    heads: int
    key_heads: int
    head_width: int
    scale: float

    @property
    def products(self) -> tuple[Product, Product, Product, Product]:
        return self.attention_in, self.attention_out, self.mlp_in, self.mlp_out

    @property
    def trained(self) -> list[Tensor]:
        """The adapters' parameters, in the order of the gradients."""
        return [each for product in self.products for each in product.trained]

    def heads_of(self, joined: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (T, h, d), keys (T, k, d), and keys and values (T, 2k, d), as views into what `attention_in` gave."""
        tokens, width = len(joined), self.head_width
        queries, keys = self.heads * width, self.key_heads * width
        query = joined[:, :queries].view(tokens, self.heads, width)
        pairs = joined[:, queries : queries + 2 * keys].view(tokens, 2 * self.key_heads, width)
        return query, pairs[:, : self.key_heads], pairs


class Positions(NamedTuple):
    """What all layers of a batch share: cosine and sine (T, 1, d/2), and where its rows lie."""

    cosine: Tensor
    sine: Tensor
    rows: Rows


class Kept(NamedTuple):
    """What the forward leaves for the backward."""

    joined: Tensor
    attended: Tensor
    attention: list[Tensor | None]
    """Row by row, what the attention's gradient needs."""
    attention_inner: Tensor
    between: Tensor
    gates: Tensor
    mlp_inner: Tensor


class LayerFunction(torch.autograd.Function):
    """``LayerFunction.apply(states, layer, positions, recompute, *layer.trained)``: (T, H) to (T, H)."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, layer: Layer, positions: Positions, recompute: bool, *_: Tensor) -> Tensor:
        result, kept = run(layer, states, positions)
        if any(ctx.needs_input_grad):
            ctx.layer, ctx.positions, ctx.states = layer, positions, states
            ctx.kept = None if recompute else kept
        return result

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.kept or run(ctx.layer, ctx.states, ctx.positions)[1]
        gradient, trained = run_back(
            ctx.layer, ctx.states, ctx.positions, kept, outputs[0], to_input=ctx.needs_input_grad[0]
        )
        ctx.kept = ctx.states = None  # free now, not when the whole graph goes
        return gradient, None, None, None, *trained


def run(layer: Layer, states: Tensor, positions: Positions) -> tuple[Tensor, Kept]:
    """The layer's output, and what its gradient needs."""
    joined = layer.attention_in.forward(rms_norm(states, layer.attention_norm, layer.epsilon))
    query, key, pairs = layer.heads_of(joined)
    rotate_(query, positions.cosine, positions.sine)
    rotate_(key, positions.cosine, positions.sine)
    attended, attention = attend(query, pairs, positions.rows, layer.scale)
    attended = attended.view(len(states), -1)
    out = layer.attention_out.forward(attended)
    between = states + out[:, : states.shape[1]]
    gates = layer.mlp_in.forward(rms_norm(between, layer.mlp_norm, layer.epsilon))
    gate, up = _halves(layer, gates)
    down = layer.mlp_out.forward(functional.silu(gate).mul_(up))
    result = between + down[:, : states.shape[1]]
    hidden = states.shape[1]
    kept = Kept(joined, attended, attention, out[:, hidden:].clone(), between, gates, down[:, hidden:].clone())
    return result, kept


def run_back(
    layer: Layer, states: Tensor, positions: Positions, kept: Kept, gradient: Tensor, *, to_input: bool
) -> tuple[Tensor | None, list[Tensor]]:
    """The gradients of the layer's input and of its adapters; what was kept is consumed."""
    between, of_mlp = _mlp_back(layer, kept, gradient)
    of_input, of_attention = _attention_back(layer, states, positions, kept, between, to_input)
    return of_input, of_attention + of_mlp


def _mlp_back(layer: Layer, kept: Kept, gradient: Tensor) -> tuple[Tensor, list[Tensor]]:
    gate, up = _halves(layer, kept.gates)
    opened = functional.silu(gate)
    activated = opened * up
    of_activated, of_down = layer.mlp_out.backward(torch.cat([gradient, kept.mlp_inner], dim=1), activated)
    assert of_activated is not None
    swiglu_backward_(of_activated, opened, gate, up)
    normed = rms_norm(kept.between, layer.mlp_norm, layer.epsilon)
    of_normed, of_gates = layer.mlp_in.backward(kept.gates, normed)
    assert of_normed is not None
    between = rms_norm_backward(of_normed, kept.between, layer.mlp_norm, layer.epsilon).add_(gradient)
    return between, of_gates + of_down


def _attention_back(
    layer: Layer, states: Tensor, positions: Positions, kept: Kept, gradient: Tensor, to_input: bool
) -> tuple[Tensor | None, list[Tensor]]:
    joined = torch.cat([gradient, kept.attention_inner], dim=1)
    of_attended, of_out = layer.attention_out.backward(joined, kept.attended)
    assert of_attended is not None
    query, key, pairs = layer.heads_of(kept.joined)
    attended = kept.attended.view(query.shape)
    pairs.copy_(
        attend_backward(
            of_attended.view(query.shape), query, pairs, attended, kept.attention, positions.rows, layer.scale
        )
    )
    rotate_(query, positions.cosine, -positions.sine)
    rotate_(key, positions.cosine, -positions.sine)
    normed = rms_norm(states, layer.attention_norm, layer.epsilon)
    of_normed, of_in = layer.attention_in.backward(kept.joined, normed, to_input=to_input)
    if of_normed is None:
        return None, of_in + of_out
    return rms_norm_backward(of_normed, states, layer.attention_norm, layer.epsilon).add_(gradient), of_in + of_out


def _halves(layer: Layer, gates: Tensor) -> tuple[Tensor, Tensor]:
    width = layer.mlp_in.outputs // 2
    return gates[:, :width], gates[:, width : 2 * width]
