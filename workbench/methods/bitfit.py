"""BitFit: the biases alone are trained (Ben Zaken et al. 2021, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.grouping import trained_biases
from workbench.methods.in_place import InPlace
from workbench.methods.whole import own_modules
from workbench.records.base_models import Blueprint, Module, ParameterGroup


@METHODS.add("bitfit")
class BitFit(InPlace):
    """Every bias of the base model."""

    title: ClassVar[str] = "BitFit"
    summary: ClassVar[str] = "Trains the biases of the base model; models of the Llama family have none."
    order: ClassVar[int] = 92
    kind: Literal["bitfit"] = "bitfit"

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        return tuple(module for module in own_modules(blueprint) if module.bias)

    def groups(self, blueprint: Blueprint) -> tuple[ParameterGroup, ...]:
        return trained_biases(self.targets(blueprint))

    def beside(self, module: Module) -> int:
        return module.out_features

    def trained(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(name for name in names if name.rpartition(".")[2] == "bias")

    def check(self, blueprint: Blueprint) -> list[Problem]:
        if self.targets(blueprint):
            return []
        return [Problem("This model has no biases.", "Choose another method, such as LoRA.", "method.kind")]
