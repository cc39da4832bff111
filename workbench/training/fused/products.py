"""Frozen linears that read the same input, with their adapters, as one matrix product.

The weights lie behind one another in one matrix and the adapters' A matrices behind those, so that one product gives
every output *and* every adapter's inner activation, and one product gives the input's gradient, adapters included.
Only the narrow B products are left; they are written in the orientation in which BLAS is several times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.training.file_pages import FilePages
from workbench.training.packs import PackChoices, PackedMatrix

_TOKENS = 768
"""Tokens that a layout is made and tried for; it serves any number."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA pair of one linear: ``down`` is peft's A (r, in), ``up`` is B (out, r)."""

    down: Tensor
    up: Tensor
    scaling: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]


@dataclass(frozen=True)
class Linear:
    """A frozen linear layer, adapted or not."""

    module: Any
    """The ``torch.nn.Linear`` whose weight is taken over."""
    adapter: Adapter | None


@dataclass(frozen=True)
class _Part:
    adapter: Adapter
    outputs: slice
    inner: slice


class Product:
    """The product of one input with several linears: see the module's docstring."""

    def __init__(self, linears: Sequence[Linear], pages: FilePages) -> None:
        widths = [linear.module.weight.shape[0] for linear in linears]
        self.outputs = sum(widths)
        ranks = [linear.adapter.rank if linear.adapter else 0 for linear in linears]
        self.width = self.outputs + sum(ranks)
        first = linears[0].module.weight
        self._matrix = first.new_empty(self.width, first.shape[1])
        self._bias = self._joined_bias(linears, widths)
        self._parts: list[_Part] = []
        self._packed: PackedMatrix | None = None
        self._packed_back: PackedMatrix | None = None
        start, inner = 0, self.outputs
        for linear, width, rank in zip(linears, widths, ranks, strict=True):
            rows = self._matrix[start : start + width]
            rows.copy_(linear.module.weight.data)
            taken, linear.module.weight.data = linear.module.weight.data, rows
            pages.release(taken)  # the module goes on to work, without a second copy of the weight
            if linear.adapter:
                self._parts.append(_Part(linear.adapter, slice(start, start + width), slice(inner, inner + rank)))
            start, inner = start + width, inner + rank

    def _joined_bias(self, linears: Sequence[Linear], widths: Sequence[int]) -> Tensor | None:
        if all(linear.module.bias is None for linear in linears):
            return None
        joined: Tensor = self._matrix.new_zeros(self.width)
        for linear, start in zip(linears, [sum(widths[:index]) for index in range(len(widths))], strict=True):
            if linear.module.bias is not None:
                joined[start : start + linear.module.bias.shape[0]] = linear.module.bias
        return joined

    @property
    def trained(self) -> list[Tensor]:
        """The adapters' parameters, in the order of the gradients that `backward` gives."""
        return [matrix for part in self._parts for matrix in (part.adapter.down, part.adapter.up)]

    def copies(self) -> list[tuple[Tensor, Tensor]]:
        """Pairs (place in the matrix, adapter's A): copied before every step, since the optimizer changes A."""
        return [(self._matrix[part.inner], part.adapter.down.detach()) for part in self._parts]

    def pack(self, choices: PackChoices) -> None:
        """Lay the matrix out for this CPU, where that is faster and no adapter changes a part of it."""
        if not self._parts and self._bias is None:
            self._packed = choices.packed(self._matrix, _TOKENS)
            self._packed_back = choices.packed(self._matrix.t().contiguous(), _TOKENS)

    def forward(self, inputs: Tensor) -> Tensor:
        """(T, in) to (T, `width`): the outputs, adapters added, and behind them the inner activations."""
        if self._packed:
            return self._packed(inputs)
        transposed = self._matrix.t()
        joined = inputs @ transposed if self._bias is None else torch.addmm(self._bias, inputs, transposed)
        for part in self._parts:
            up, scaling = part.adapter.up.detach(), part.adapter.scaling
            joined[:, part.outputs].addmm_(joined[:, part.inner], up.t(), alpha=scaling)
        return joined

    def backward(self, joined: Tensor, inputs: Tensor, *, to_input: bool = True) -> tuple[Tensor | None, list[Tensor]]:
        """The gradients of input and adapters.

        `joined` holds the outputs' gradient in its first columns and, behind, the inner activations of the forward;
        those are overwritten. `inputs` are the forward's.
        """
        ups = []
        for part in self._parts:
            gradient, inner = joined[:, part.outputs], joined[:, part.inner]
            ups.append((inner.t() @ gradient).mul_(part.adapter.scaling).t())
            inner.copy_((part.adapter.up.detach().t() @ gradient.t()).mul_(part.adapter.scaling).t())
        downs = joined[:, self.outputs :].t() @ inputs if self._parts else inputs
        gradients = []
        for part, up in zip(self._parts, ups, strict=True):
            inner_rows = slice(part.inner.start - self.outputs, part.inner.stop - self.outputs)
            gradients += [downs[inner_rows], up]
        if not to_input:
            return None, gradients
        return self._packed_back(joined) if self._packed_back else joined @ self._matrix, gradients
