"""Full fine-tuning: every parameter is trained. What all other methods are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.in_place import InPlace
from workbench.methods.whole import own_modules
from workbench.records.base_models import Blueprint, Module


@METHODS.add("full")
class Full(InPlace):
    """All of the base model."""

    title: ClassVar[str] = "Full fine-tuning"
    summary: ClassVar[str] = "Trains every parameter of the base model."
    order: ClassVar[int] = 90
    kind: Literal["full"] = "full"

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        return own_modules(blueprint)

    def trained(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(names)
