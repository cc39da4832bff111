"""Modules of one name and shape as one line of the parameter table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workbench.methods.matching import last_part
from workbench.records import Module, ParameterGroup


def grouped(
    modules: Iterable[Module], rank: int, each: Callable[[Module], int], formula: Callable[[Module], str]
) -> tuple[ParameterGroup, ...]:
    """One group a name and shape, in the order in which they first occur.

    `each` says what is trained in one module, and `formula` how that comes about with its numbers; both are asked
    once a group, so the table of a model of 80 layers costs no more than that of one.
    """
    members: dict[tuple[str, int, int, bool], list[Module]] = {}
    for module in modules:
        key = (last_part(module.name), module.in_features, module.out_features, module.bias)
        members.setdefault(key, []).append(module)
    return tuple(_group(found, rank, each(found[0]), formula(found[0])) for found in members.values())


def _group(found: list[Module], rank: int, each: int, formula: str) -> ParameterGroup:
    return ParameterGroup(
        name=last_part(found[0].name),
        count=len(found),
        in_features=found[0].in_features,
        out_features=found[0].out_features,
        rank=rank,
        each=each,
        total=each * len(found),
        formula=formula,
    )
