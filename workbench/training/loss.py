"""The cross-entropy of the labelled positions only, in chunks, with the gradient made on the way forward.

A vocabulary is wide: the logits of all positions are the largest tensor of a training step, and most positions are
not learnt. Here a chunk of rows is projected, scored, turned into its gradient at once and forgotten. Knows a frozen
head without bias; every other head goes through its own module (`objective`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Project = Callable[[Tensor], Tensor]
"""Hidden states to logits: (L, H) to (L, V)."""
CHUNK = 144
"""Labelled positions projected at a time, at most: for fewer, reading the weight takes as long as multiplying by it."""


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float, packed: Project | None
    ) -> Tensor:
        learning = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if learning else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = -(-len(targets) // max(1, -(-len(targets) // CHUNK)))  # all alike: none is left over that is small
        for start in range(0, len(targets), size):
            rows = slice(start, start + size)
            into = None if gradient is None else gradient[rows]
            logits = packed(hidden[rows]).t() if packed else weight @ hidden[rows].t()
            total += _chunk(logits.float(), weight, targets[rows], smoothing, into)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outputs[0].to(gradient.dtype), None, None, None, None


def _chunk(logits: Tensor, weight: Tensor, targets: Tensor, smoothing: float, gradient: Tensor | None) -> Tensor:
    """The summed loss of a chunk; the gradient of its hidden states goes into `gradient`.

    The logits stand on their side, (V, L): in that orientation BLAS multiplies a fifth faster by so tall a weight.
    """
    largest = logits.amax(dim=0, keepdim=True)
    chosen = logits.gather(0, targets[None])
    if smoothing:  # the target's own logit, and a share of the mean of all
        chosen = (1 - smoothing) * chosen + smoothing * logits.mean(dim=0, keepdim=True)
    exponentials = logits.sub_(largest).exp_()
    total = exponentials.sum(dim=0, keepdim=True)
    if gradient is not None:
        probabilities = exponentials.div_(total)
        if smoothing:
            probabilities.sub_(smoothing / len(weight))
        probabilities.scatter_add_(0, targets[None], torch.full_like(chosen, smoothing - 1.0))
        gradient.copy_((weight.t() @ probabilities.to(weight.dtype)).t())
    return (total.log_() + largest - chosen).sum()


def frozen_head_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0, packed: Project | None = None
) -> Tensor:
    """Summed cross-entropy in nats of `hidden` (L, H) against `targets` (L,) through a frozen `weight` (V, H).

    `smoothing` spreads that share of each target evenly over the vocabulary (Szegedy et al. 2016, section 7). `packed`
    is a faster product with the same weight.
    """
    loss: Tensor = _FrozenHeadLoss.apply(hidden, weight, targets, smoothing, packed)  # type: ignore[no-untyped-call]
    return loss
