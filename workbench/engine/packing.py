"""Linear layers read from memory as fast as the machine can: weights laid out once the way oneDNN wants them.

Writing an answer is reading all weights for every token, and `torch.nn.functional.linear` reads them at a fraction of
the memory's speed when it has only a few rows. The operators that read packed weights are torch's own but private, so
each shape is tried against the plain product before it is used, and where anything is missing or differs the plain
product stays. The plain weights stay too: they are mapped from the model's file, and the system drops them from memory
when it needs the room.

Layers that read the same input, such as a query, its key and its value, are packed as one: one long product is read
faster than three short ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

LOG = logging.getLogger(__name__)
ROWS = 4
"""The number of rows that the layout is made for; it serves any number."""
TOLERANCE = 1e-4
"""Largest difference from the plain product, relative to its spread."""
SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of one module that read the same input."""


class Pack:
    """The weights of one linear layer, or of several that read the same input, one under the other."""

    def __init__(self, modules: Sequence[nn.Linear]) -> None:
        weights = [module.weight.detach() for module in modules]
        biases = [module.bias.detach() for module in modules if module.bias is not None]
        edges = [0, *accumulate(module.out_features for module in modules)]
        self.places = tuple(slice(start, end) for start, end in pairwise(edges))
        """Where each layer's outputs stand among all."""
        self.width = edges[-1]
        self._weight = torch.ops.mkldnn._reorder_linear_weight(torch.cat(weights), ROWS)
        self._bias = torch.cat(biases) if biases else None
        self._product: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise
        self._given: Tensor | None = None
        self._output: Tensor | None = None

    def __call__(self, given: Tensor) -> Tensor:
        """All outputs of `given` (…, in), side by side."""
        return self._product(given, self._weight, self._bias, "none", [], "")

    def part(self, place: slice, given: Tensor) -> Tensor:
        """One layer's outputs; the others' are kept until another input comes, since they are asked for next."""
        if self._output is None or given is not self._given:
            self._given, self._output = given, self(given)
        return self._output[..., place]


class Packed:
    """Stands in for a linear layer's `forward`."""

    def __init__(self, module: nn.Linear, pack: Pack, place: slice) -> None:
        self.module = module
        self.pack = pack
        self.place = place
        self._alone = len(pack.places) == 1

    def __call__(self, given: Tensor) -> Tensor:
        return self.pack(given) if self._alone else self.pack.part(self.place, given)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[[Tensor], Tensor]:
        """A copy of the layer, such as peft makes to train it whole, gets other weights: it computes plainly."""
        return partial(nn.Linear.forward, memo[id(self.module)])


def pack_of(module: nn.Module) -> Pack | None:
    """The pack that `module` reads, if it reads one."""
    forward = module.__dict__.get("forward")
    return forward.pack if isinstance(forward, Packed) else None


def packed_groups(model: nn.Module) -> list[list[nn.Linear]]:
    """The layers of `model` that read packed weights, those of one pack together and in its order."""
    found: dict[int, list[Packed]] = {}
    for module in model.modules():
        forward = module.__dict__.get("forward")
        if isinstance(forward, Packed):
            found.setdefault(id(forward.pack), []).append(forward)
    return [[one.module for one in sorted(group, key=lambda one: one.place.start)] for group in found.values()]


@torch.inference_mode()
def pack_linears(model: nn.Module) -> int:
    """Let every linear layer of `model` read packed weights; the number of those that do now."""
    if not _possible(model):
        return 0
    right: dict[tuple[int, tuple[int, ...], bool], bool] = {}
    packed = 0
    for group in _groups(model):
        shape = (group[0].in_features, tuple(module.out_features for module in group), group[0].bias is not None)
        if shape not in right:
            right[shape] = _is_right(group)
        if right[shape]:
            pack = Pack(group)
            for module, place in zip(group, pack.places, strict=True):
                module.__dict__["forward"] = Packed(module, pack, place)  # it stays an nn.Linear, for hooks and peft
            packed += len(group)
    return packed


def _groups(model: nn.Module) -> list[list[nn.Linear]]:
    """Every linear layer once: siblings together, the others alone."""
    found: list[list[nn.Linear]] = []
    for module in model.modules():
        for names in SIBLINGS:
            siblings = [getattr(module, name, None) for name in names]
            linears = [sibling for sibling in siblings if type(sibling) is nn.Linear]
            alike = {(sibling.in_features, sibling.bias is None) for sibling in linears}
            if len(linears) == len(names) and len(alike) == 1:
                found.append(linears)
    grouped = {id(sibling) for group in found for sibling in group}
    alone = [[module] for module in model.modules() if type(module) is nn.Linear and id(module) not in grouped]
    return found + alone


def _possible(model: nn.Module) -> bool:
    parameter = next(model.parameters())
    return parameter.device.type == "cpu" and parameter.dtype == torch.float32 and torch._C._has_mkldnn


def _is_right(group: Sequence[nn.Linear]) -> bool:
    """Whether packed and plain product agree for one row, a few, and a prompt's many."""
    try:
        pack = Pack(group)
        for rows in (1, 3, 40):
            given = torch.randn(1, rows, group[0].in_features, generator=torch.Generator().manual_seed(rows))
            wanted = torch.cat([linear(given, module.weight, module.bias) for module in group], -1)
            difference = (pack(given) - wanted).abs().max().item()
            if not difference <= TOLERANCE * wanted.std().item():
                LOG.warning("packed weights of %s differ by %g", group[0], difference)
                return False
    except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
        LOG.warning("no packed weights: %s", error)
        return False
    return True
