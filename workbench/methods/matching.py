"""Which modules of a base model a setting of target modules means: peft's own rules, on a Blueprint.

Knows names and kinds, not what a method does with them. peft's rules are those of
``peft.tuners.tuners_utils.check_target_module_exists`` and ``_maybe_include_all_linear_layers``, version 0.21.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from workbench.methods.identity import Same
from workbench.records.base_models import Blueprint, Module

ALL_LINEAR = "all-linear"
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]*")
_LAYER = re.compile(r".*?\.[^.]*\.(?P<index>\d+)\.")
"""peft's rule for a layer's index: the first number after two parts of the name."""
TASK_HEADS = ("classifier", "score")
"""What peft always saves whole beside the adapter of a classification model."""

Targets = tuple[str, ...] | str
"""Names of modules, ``all-linear``, or a regular expression."""


@dataclass(frozen=True)
class Selection:
    """All settings that decide which modules a method adapts."""

    targets: Targets
    excluded: Targets = ()
    layers: tuple[int, ...] = ()
    saved: tuple[str, ...] = ()
    """Modules that are trained whole instead."""


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


def last_part(name: str) -> str:
    """``q_proj`` of ``model.layers.0.self_attn.q_proj``."""
    return name.rpartition(".")[2]


def selected(blueprint: Blueprint, selection: Selection) -> tuple[Module, ...]:
    """The modules that get an adapter, in the model's order; raises `re.error` for a broken expression.

    Cached, so that a slider which changes no target costs no matching.
    """
    return _selected(Same(blueprint), selection)


@lru_cache(maxsize=64)
def _selected(same: Same[Blueprint], selection: Selection) -> tuple[Module, ...]:
    blueprint = same.value
    found = matched(blueprint, selection.targets)
    if selection.layers and not isinstance(selection.targets, str):
        found = tuple(module for module in found if _in_layers(module.name, selection))
    if selection.excluded:
        excluded = {module.name for module in matched(blueprint, selection.excluded)}
        found = tuple(module for module in found if module.name not in excluded)
    saved = (*selection.saved, *task_heads(blueprint))
    if saved:
        whole = re.compile(rf"(^|.*\.)({'|'.join(map(re.escape, saved))})($|\..*)")
        found = tuple(module for module in found if not whole.match(module.name))
    return found


def _in_layers(name: str, selection: Selection) -> bool:
    """A module that is named in full is taken whatever its layer."""
    index = _LAYER.match(name)
    return name in selection.targets or (index is not None and int(index["index"]) in selection.layers)


def matched(blueprint: Blueprint, targets: Targets) -> tuple[Module, ...]:
    """The modules that `targets` names: by the whole name or its end after a dot, by kind, or by full match."""
    if is_all_linear(targets):
        return linear_modules(blueprint)
    if isinstance(targets, str):
        fullmatch = re.compile(targets).fullmatch
        return tuple(module for module in blueprint.modules if module.kind != "experts" and fullmatch(module.name))
    whole, ends = set(targets), tuple("." + name for name in targets)
    return tuple(
        module
        for module in blueprint.modules
        if module.kind != "experts" and (module.name.endswith(ends) or module.name in whole)
    )


def linear_modules(blueprint: Blueprint) -> tuple[Module, ...]:
    """What ``all-linear`` means: every Linear and Conv1D except the output head."""
    return _linear_modules(Same(blueprint))


@lru_cache(maxsize=64)
def _linear_modules(same: Same[Blueprint]) -> tuple[Module, ...]:
    head = same.value.head
    return tuple(module for module in same.value.modules if module.kind in ("linear", "conv1d") and module.name != head)


def task_heads(blueprint: Blueprint) -> tuple[str, ...]:
    """Names of the heads that peft trains whole because of the task."""
    return TASK_HEADS if blueprint.task in ("seq_cls", "token_cls") else ()


def saved_modules(blueprint: Blueprint, names: Sequence[str]) -> tuple[Module, ...]:
    """The modules in `names`, and what lies inside containers so named: those that are trained whole."""
    if not names:
        return ()
    inside = re.compile(rf"(^|.*\.)({'|'.join(map(re.escape, names))})($|\..*)")
    return tuple(module for module in blueprint.modules if inside.match(module.name))


def containers(blueprint: Blueprint) -> list[str]:
    """Names of the modules that only hold others, outermost first."""
    found: dict[str, None] = {}
    for module in blueprint.modules:
        parts = module.name.split(".")
        for end in range(1, len(parts)):
            found[".".join(parts[:end])] = None
    return list(found)


def module_names(blueprint: Blueprint) -> list[tuple[str, int, int, int]]:
    """What can be targeted: name, how often it occurs, in, out; in the model's order, one entry a name and shape."""
    found = Counter(
        (last_part(module.name), module.in_features, module.out_features)
        for module in blueprint.modules
        if module.kind in ("linear", "conv1d", "embedding")
    )
    return [(name, count, width_in, width_out) for (name, width_in, width_out), count in found.items()]
