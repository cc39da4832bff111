"""Linear layers read from memory as fast as the machine can: weights laid out once the way oneDNN wants them.

Writing an answer is reading all weights for every token, and `torch.nn.functional.linear` reads them at a fraction of
the memory's speed when it has only a few rows. The operators that read packed weights are torch's own but private, so
each shape is tried against the plain product before it is used, and where anything is missing or differs the plain
product stays. The plain weights stay too: they are mapped from the model's file, and the system drops them from memory
when it needs the room.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

LOG = logging.getLogger(__name__)
ROWS = 4
"""The number of rows that the layout is made for; it serves any number."""
TOLERANCE = 1e-4
"""Largest difference from the plain product, relative to its spread."""


class Packed:
    """Stands in for a linear layer's `forward`."""

    def __init__(self, module: nn.Linear) -> None:
        self._module = module
        self._weight = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach(), ROWS)
        self._bias = module.bias
        self._product: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise

    def __call__(self, given: Tensor) -> Tensor:
        return self._product(given, self._weight, self._bias, "none", [], "")

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[[Tensor], Tensor]:
        """A copy of the layer, such as peft makes to train it whole, gets other weights: it computes plainly."""
        return partial(nn.Linear.forward, memo[id(self._module)])


@torch.inference_mode()
def pack_linears(model: nn.Module) -> int:
    """Let every linear layer of `model` read packed weights; the number of those that do now."""
    if not _possible(model):
        return 0
    right: dict[tuple[int, int, bool], bool] = {}
    packed = 0
    for module in model.modules():
        if type(module) is not nn.Linear:
            continue
        shape = (module.in_features, module.out_features, module.bias is not None)
        if shape not in right:
            right[shape] = _is_right(module)
        if right[shape]:
            module.__dict__["forward"] = Packed(module)  # it stays an nn.Linear, for hooks and for peft
            packed += 1
    return packed


def _possible(model: nn.Module) -> bool:
    parameter = next(model.parameters())
    return parameter.device.type == "cpu" and parameter.dtype == torch.float32 and torch._C._has_mkldnn


def _is_right(module: nn.Linear) -> bool:
    """Whether packed and plain product agree for one row, a few, and a prompt's many."""
    try:
        packed = Packed(module)
        for rows in (1, 3, 40):
            given = torch.randn(1, rows, module.in_features, generator=torch.Generator().manual_seed(rows))
            wanted = linear(given, module.weight, module.bias)
            difference = (packed(given) - wanted).abs().max().item()
            if not difference <= TOLERANCE * wanted.std().item():
                LOG.warning("packed weights of %s differ by %g", module, difference)
                return False
    except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
        LOG.warning("no packed weights: %s", error)
        return False
    return True
