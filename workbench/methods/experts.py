"""peft's rule for mixtures of experts, whose matrices transformers 5 stacks into one tensor.

Adapters were once trained on separate experts with names of their own. peft still takes those names, and
``all-linear`` means them too: it maps them onto the stacked tensors (`peft.utils.transformers_weight_conversion`), and
where two matrices became one, gate and up, their rank is doubled. Router weights are adapted as tensors as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.errors import Problem
from workbench.methods.matching import (
    Selection,
    containers,
    is_all_linear,
    last_part,
    linear_modules,
    matched,
    selected,
)
from workbench.records.base_models import Blueprint, Module

ROUTER, GATE_UP, DOWN = "gate.weight", "gate_up_proj", "down_proj"
_NAMES: dict[str, dict[str, str]] = {
    "mixtral": {"gate": ROUTER, "w1": GATE_UP, "w3": GATE_UP, "w2": DOWN},
    "qwen2_moe": {"gate": ROUTER, "gate_proj": GATE_UP, "up_proj": GATE_UP, "down_proj": DOWN},
}


@dataclass(frozen=True)
class Mapped:
    """A selection after the rule: the modules that stay, and the tensors that are adapted instead of the rest."""

    modules: tuple[Module, ...]
    tensors: tuple[Module, ...]
    doubled: bool
    """Whether gate and up together take twice the rank."""


def has_rule(blueprint: Blueprint) -> bool:
    """Whether peft maps names of separate experts in this model."""
    return blueprint.expert_naming in _NAMES


def mapped(blueprint: Blueprint, selection: Selection) -> Mapped:
    """What `selection` means in a model for which `has_rule` holds."""
    names = _NAMES[blueprint.expert_naming or ""]
    wanted = _leaf_names(blueprint, selection, names)
    old = {name: _old_name(name, names) for name in wanted}
    tensors = {names[found] for found in old.values() if found is not None}
    rest = tuple(name for name in wanted if old[name] is None)
    return Mapped(
        modules=tuple(_kept(blueprint, selection, rest)),
        tensors=tuple(_tensors(blueprint, tensors)),
        doubled=_halves(names) <= set(old.values()),
    )


def expert_problems(blueprint: Blueprint, selection: Selection) -> list[Problem]:
    """Half of what became one tensor cannot be adapted alone."""
    names = _NAMES[blueprint.expert_naming or ""]
    present = {_old_name(name, names) for name in _leaf_names(blueprint, selection, names)}
    present &= _halves(names)
    missing = sorted(_halves(names) - present)
    if not present or not missing:
        return []
    return [
        Problem(
            f"In this model {' and '.join(sorted(_halves(names)))} are one tensor, of which half is named.",
            f"Name {', '.join(missing)} too, or neither.",
            "method.target_modules",
        )
    ]


def _halves(names: dict[str, str]) -> set[str]:
    return {old for old, new in names.items() if new == GATE_UP}


def _old_name(target: str, names: dict[str, str]) -> str | None:
    return next((old for old in names if target == old or target.endswith(f".{old}")), None)


def _leaf_names(blueprint: Blueprint, selection: Selection, names: dict[str, str]) -> tuple[str, ...]:
    """The names a selection comes to: those of a list as they stand, else the last parts of all that it matches."""
    targets = selection.targets
    if not isinstance(targets, str):
        return targets
    if is_all_linear(targets):
        return tuple(dict.fromkeys([*(last_part(module.name) for module in linear_modules(blueprint)), *names]))
    excluded = {module.name for module in matched(blueprint, selection.excluded)} if selection.excluded else set()
    fullmatch = re.compile(targets).fullmatch
    keys = [*_module_and_parameter_names(blueprint), *_separate_expert_names(blueprint, names)]
    return tuple(dict.fromkeys(last_part(key) for key in keys if fullmatch(key) and key not in excluded))


def _module_and_parameter_names(blueprint: Blueprint) -> Iterator[str]:
    yield from containers(blueprint)
    for module in blueprint.modules:
        yield module.name
        if module.kind != "experts" and module.parameters:
            yield f"{module.name}.weight"
            if module.bias:
                yield f"{module.name}.bias"


def _separate_expert_names(blueprint: Blueprint, names: dict[str, str]) -> Iterator[str]:
    """The names that the halves of stacked tensors once had."""
    for module in blueprint.modules:
        container, _, leaf = module.name.rpartition(".")
        for old, new in names.items():
            if leaf == new:
                yield f"{container}.{old}"


def _kept(blueprint: Blueprint, selection: Selection, names: tuple[str, ...]) -> Iterable[Module]:
    return selected(blueprint, Selection(names, selection.excluded, selection.layers, selection.saved))


def _tensors(blueprint: Blueprint, wanted: set[str]) -> Iterator[Module]:
    for module in blueprint.modules:
        tensor = module.name if module.kind == "experts" else f"{module.name}.weight"
        two_dimensional = module.kind == "experts" or (module.in_features and module.kind not in ("norm", "embedding"))
        if two_dimensional and any(tensor.endswith(f".{name}") for name in wanted):
            yield module
