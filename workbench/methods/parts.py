"""The parts of a model that its modules belong to: attention, MLP, embeddings and head. Read from names and places."""

from __future__ import annotations

from functools import lru_cache

from workbench.methods.identity import Same
from workbench.methods.matching import last_part, linear_modules
from workbench.records import Record
from workbench.records.base_models import Blueprint, Module

ATTENTION, MLP, SEVERAL, EMBEDDINGS, OTHER = "Attention", "MLP", "In several parts", "Embeddings and head", "Other"
PARTS = (ATTENTION, MLP, SEVERAL, EMBEDDINGS, OTHER)
"""In the order in which they are shown."""


class ModuleName(Record):
    """A name that targets can use, and what it stands for."""

    name: str
    part: str
    count: int
    linear: bool
    """Whether ``all-linear`` means it too."""


def targetable(blueprint: Blueprint) -> tuple[ModuleName, ...]:
    """Every name that can be targeted in this model, part after part; a name may lie in several of them."""
    return _targetable(Same(blueprint))


@lru_cache(maxsize=64)
def _targetable(same: Same[Blueprint]) -> tuple[ModuleName, ...]:
    blueprint = same.value
    linear = {last_part(module.name) for module in linear_modules(blueprint)}
    found: dict[str, list[str]] = {}
    for module in blueprint.modules:
        if module.kind in ("linear", "conv1d", "embedding"):
            found.setdefault(last_part(module.name), []).append(part_of(module, blueprint.head))
    names = [
        ModuleName(
            name=name, part=parts[0] if len(set(parts)) == 1 else SEVERAL, count=len(parts), linear=name in linear
        )
        for name, parts in found.items()
    ]
    return tuple(sorted(names, key=lambda each: PARTS.index(each.part)))


def part_of(module: Module, head: str | None) -> str:
    """The part that `module` belongs to, in a model whose output comes from `head`."""
    if module.kind == "embedding" or module.name == head:
        return EMBEDDINGS
    if any("attn" in place or "attention" in place for place in module.name.lower().split(".")):
        return ATTENTION
    return MLP if module.layer is not None else OTHER
