"""Last layers: the uppermost layers are trained, all below them stays (the FT-Top2 of Hu et al. 2021, section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.in_place import InPlace
from workbench.methods.whole import own_modules
from workbench.records.base_models import Blueprint, Module

_LAYER = re.compile(r"(?P<stack>.+?)\.(?P<layer>\d+)\.")


@METHODS.add("last_k")
class LastLayers(InPlace):
    """The last layers of the last stack, which is the decoder's where there are two."""

    title: ClassVar[str] = "Last layers"
    summary: ClassVar[str] = "Trains the last transformer layers whole and leaves all others as they are."
    order: ClassVar[int] = 91
    kind: Literal["last_k"] = "last_k"
    layers: int = Field(2, ge=1, le=10_000, title="Layers", description="How many of the last layers are trained.")

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        layered = [module for module in own_modules(blueprint) if module.layer is not None]
        stack = _stack(layered[-1]) if layered else ""
        own = [module for module in layered if _stack(module) == stack]
        first = max((module.layer or 0 for module in own), default=0) + 1 - self.layers
        return tuple(module for module in own if (module.layer or 0) >= first)

    def trained(self, names: Sequence[str]) -> frozenset[str]:
        layered = [(found["stack"], int(found["layer"]), name) for name in names if (found := _LAYER.match(name))]
        own = [(layer, name) for stack, layer, name in layered if stack == layered[-1][0]]
        first = max((layer for layer, _ in own), default=0) + 1 - self.layers
        return frozenset(name for layer, name in own if layer >= first)

    def check(self, blueprint: Blueprint) -> list[Problem]:
        if self.layers <= blueprint.num_layers:
            return []
        return [
            Problem(
                f"This model has {blueprint.num_layers} layers.",
                f"Enter at most {blueprint.num_layers}.",
                "method.layers",
            )
        ]


def _stack(module: Module) -> str:
    """The name before the layer's number."""
    return module.name.partition(f".{module.layer}.")[0]
