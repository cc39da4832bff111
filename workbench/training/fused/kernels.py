"""The small operations between the products, with their gradients, in as few passes over memory as torch allows.

Shapes: T tokens, H hidden, I intermediate, h heads, d head width. Whatever works in place says so.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
