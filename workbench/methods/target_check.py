"""What is wrong with a setting of target modules on a model, each with what there is instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from workbench.errors import Problem
from workbench.methods.fields import value_for
from workbench.methods.identity import Same
from workbench.methods.matching import (
    Selection,
    Targets,
    containers,
    is_all_linear,
    last_part,
    linear_modules,
    matched,
    module_names,
    saved_modules,
    selected,
)
from workbench.records.base_models import Blueprint

TARGETS = "method.target_modules"


def selection_problems(blueprint: Blueprint, selection: Selection) -> list[Problem]:
    """Why `selection` cannot be used on this model; empty when every part of it names something."""
    return list(_selection_problems(Same(blueprint), selection))


@lru_cache(maxsize=64)
def _selection_problems(same: Same[Blueprint], selection: Selection) -> tuple[Problem, ...]:
    blueprint = same.value
    problems = [
        *target_problems(blueprint, selection.targets),
        *_exclusion_problems(blueprint, selection.excluded),
        *_layer_problems(blueprint, selection),
        *_saved_problems(blueprint, selection.saved),
    ]
    if not problems and not selected(blueprint, selection):
        problems = [
            Problem(
                "No target module is left.",
                "Exclude fewer modules, or choose other layers or targets.",
                TARGETS,
            )
        ]
    return tuple(problems)


def target_problems(blueprint: Blueprint, targets: Targets, field: str = TARGETS) -> list[Problem]:
    """The same for target modules alone."""
    try:
        found = matched(blueprint, targets)
    except re.error as error:
        remedy = f"Correct it, or name modules: {names_there_are(blueprint)}."
        return [Problem(f"The regular expression “{targets}” does not compile: {error}.", remedy, field)]
    if isinstance(targets, tuple):
        unknown = [name for name in targets if not matched(blueprint, (name,))]
        return [_unknown(blueprint, name, field) for name in unknown]
    if found:
        return []
    return [
        Problem(
            f"“{targets}” matches no module; an expression must match a module's whole name.",
            f"A whole name here is {_example(blueprint)}. Or name modules: {names_there_are(blueprint)}.",
            field,
        )
    ]


def container_problems(blueprint: Blueprint, targets: Targets) -> list[Problem]:
    """An expression that also matches a module which only holds others; peft refuses to adapt those."""
    if isinstance(targets, tuple) or is_all_linear(targets):
        return []
    wrong = [name for name in containers(blueprint) if re.fullmatch(targets, name)]
    if not wrong:
        return []
    return [
        Problem(
            f"The expression also matches {wrong[0]}, which holds other modules and has no matrix of its own.",
            f"Make it match the linear modules alone, such as {_example(blueprint)}.",
            TARGETS,
        )
    ]


def pattern_problems(names: Sequence[str], patterns: Iterable[str], field: str) -> list[Problem]:
    """Those of `patterns`, ranks or alphas by name, that mean none of the targets, which peft knows by `names`."""
    wrong = [pattern for pattern in patterns if not any(value_for(name, {pattern: True}, False) for name in names)]
    if not wrong:
        return []
    remedy = f"Correct or remove it; the targets are: {', '.join(dict.fromkeys(map(_end, names)))}."
    return [Problem(f"No target module goes by the name “{pattern}”.", remedy, field) for pattern in wrong]


def _end(name: str) -> str:
    """``q_proj`` of a module's name, ``gate.weight`` of a tensor's."""
    module = name.removesuffix(".weight")
    return last_part(module) + name[len(module) :]


def names_there_are(blueprint: Blueprint) -> str:
    """What can be named on this model, in its order."""
    return ", ".join(dict.fromkeys(entry[0] for entry in module_names(blueprint)))


def _unknown(blueprint: Blueprint, name: str, field: str) -> Problem:
    known = [entry[0] for entry in module_names(blueprint)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return Problem(f"This model has no module “{name}”.", f"{hint}There are: {names_there_are(blueprint)}.", field)


def _exclusion_problems(blueprint: Blueprint, excluded: Targets) -> list[Problem]:
    return target_problems(blueprint, excluded, "method.exclude_modules") if excluded else []


def _layer_problems(blueprint: Blueprint, selection: Selection) -> list[Problem]:
    if not selection.layers:
        return []
    field = "method.layers_to_transform"
    if isinstance(selection.targets, str):
        remedy = f"Name the target modules: {names_there_are(blueprint)}."
        return [Problem("Layers can be chosen only for target modules that are named one by one.", remedy, field)]
    above = [layer for layer in selection.layers if layer >= blueprint.num_layers]
    if not above:
        return []
    return [Problem(f"This model has no layer {above[0]}.", f"Its layers are 0 to {blueprint.num_layers - 1}.", field)]


def _saved_problems(blueprint: Blueprint, saved: tuple[str, ...]) -> list[Problem]:
    unknown = [name for name in saved if not saved_modules(blueprint, (name,))]
    return [_unknown(blueprint, name, "method.modules_to_save") for name in unknown]


def _example(blueprint: Blueprint) -> str:
    return next((module.name for module in linear_modules(blueprint)), "not there")
