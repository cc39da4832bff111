"""Which modules of a base model a setting of target modules means: peft's own rules, on a Blueprint.

Knows names and kinds, not what a method does with them. peft's rules are those of
``peft.tuners.tuners_utils.check_target_module_exists`` and ``_maybe_include_all_linear_layers``, version 0.21.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from workbench.errors import Problem
from workbench.records import Blueprint, Module

ALL_LINEAR = "all-linear"
_FIELD = "method.target_modules"
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]*")

Targets = tuple[str, ...] | str
"""Names of modules, ``all-linear``, or a regular expression."""


def is_all_linear(targets: Targets) -> bool:
    """Whether `targets` is the word that means every linear module but the output head."""
    return isinstance(targets, str) and targets.lower() == ALL_LINEAR


def parse_targets(text: str) -> Targets:
    """What a person types in one line: ``q_proj, v_proj`` as names, ``all-linear``, else a regular expression."""
    text = text.strip()
    if is_all_linear(text):
        return ALL_LINEAR
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return names if all(_PLAIN_NAME.fullmatch(name) for name in names) else text


def name_matches(name: str, names: Sequence[str]) -> bool:
    """peft's rule for a list: the whole dotted name, or its end after a dot."""
    return name in names or name.endswith(tuple("." + wanted for wanted in names))


def matched(blueprint: Blueprint, targets: Targets) -> tuple[Module, ...]:
    """The modules that `targets` names, in the model's order; raises `re.error` for a broken expression."""
    if is_all_linear(targets):
        return linear_modules(blueprint)
    if isinstance(targets, str):
        fullmatch = re.compile(targets).fullmatch
        return tuple(module for module in blueprint.modules if fullmatch(module.name))
    whole, ends = set(targets), tuple("." + name for name in targets)
    return tuple(module for module in blueprint.modules if module.name.endswith(ends) or module.name in whole)


def linear_modules(blueprint: Blueprint) -> tuple[Module, ...]:
    """What ``all-linear`` means: every Linear and Conv1D except the output head."""
    return tuple(
        module for module in blueprint.modules if module.kind in ("linear", "conv1d") and module.name != blueprint.head
    )


def last_part(name: str) -> str:
    """``q_proj`` of ``model.layers.0.self_attn.q_proj``."""
    return name.rpartition(".")[2]


def module_names(blueprint: Blueprint) -> list[tuple[str, int, int, int]]:
    """What can be targeted: name, how often it occurs, in, out; in the model's order, one entry a name and shape."""
    found = Counter(
        (last_part(module.name), module.in_features, module.out_features)
        for module in blueprint.modules
        if module.kind in ("linear", "conv1d", "embedding")
    )
    return [(name, count, width_in, width_out) for (name, width_in, width_out), count in found.items()]


def target_problems(blueprint: Blueprint, targets: Targets) -> list[Problem]:
    """Why `targets` cannot be used on this model; empty when every part of it names something."""
    try:
        found = matched(blueprint, targets)
    except re.error as error:
        return [
            Problem(
                f"The regular expression “{targets}” does not compile: {error}.",
                f"Correct it, or name modules: {_names_there_are(blueprint)}.",
                _FIELD,
            )
        ]
    if isinstance(targets, tuple):
        unknown = [name for name in targets if not matched(blueprint, (name,))]
        return [_unknown(blueprint, name) for name in unknown]
    if not found:
        return [
            Problem(
                f"“{targets}” matches no module; an expression must match a module's whole name.",
                f"A whole name here is {_example(blueprint)}. Or name modules: {_names_there_are(blueprint)}.",
                _FIELD,
            )
        ]
    return []


def _unknown(blueprint: Blueprint, name: str) -> Problem:
    known = [entry[0] for entry in module_names(blueprint)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return Problem(f"This model has no module “{name}”.", f"{hint}There are: {_names_there_are(blueprint)}.", _FIELD)


def _names_there_are(blueprint: Blueprint) -> str:
    return ", ".join(dict.fromkeys(entry[0] for entry in module_names(blueprint)))


def _example(blueprint: Blueprint) -> str:
    return next((module.name for module in linear_modules(blueprint)), "not there")
