"""Modules of one name, shape and rank as one line of the parameter table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from workbench.methods.identity import Same
from workbench.methods.matching import last_part
from workbench.records.base_models import Module, ParameterGroup


def grouped(
    modules: Iterable[Module],
    each: Callable[[Module, int], int],
    formula: Callable[[Module, int], str],
    rank: Callable[[Module], int] = lambda _: 0,
    suffix: str = "",
) -> tuple[ParameterGroup, ...]:
    """One group a name, shape and rank; the shapes in the order in which they first occur.

    `each` says what is trained in one module, and `formula` how that comes about with its numbers; both are asked
    once a group, so the table of a model of 80 layers costs no more than that of one.
    """
    return tuple(
        _group(found, ranked, each(found[0], ranked), formula(found[0], ranked), suffix)
        for ranked, found in by_rank(modules, rank)
    )


def by_rank(modules: Iterable[Module], rank: Callable[[Module], int]) -> list[tuple[int, list[Module]]]:
    """The modules of one name, shape and rank together, each lot with its rank."""
    members: dict[tuple[int, int], list[Module]] = {}
    for place, alike in enumerate(_alike(Same(tuple(modules)))):
        for module in alike:
            members.setdefault((place, rank(module)), []).append(module)
    return [(ranked, found) for (_, ranked), found in members.items()]


@lru_cache(maxsize=64)
def _alike(modules: Same[tuple[Module, ...]]) -> tuple[tuple[Module, ...], ...]:
    """The modules of one name and shape together. Cached: a slider that changes no target looks at no shape."""
    found: dict[tuple[str, int, int, bool], list[Module]] = {}
    for module in modules.value:
        key = (last_part(module.name), module.in_features, module.out_features, module.bias)
        found.setdefault(key, []).append(module)
    return tuple(map(tuple, found.values()))


def trained_whole(modules: Iterable[Module], suffix: str = "") -> tuple[ParameterGroup, ...]:
    """Groups of modules all of whose parameters are trained."""
    with_parameters = (module for module in modules if module.parameters)
    return grouped(
        with_parameters, lambda module, _: module.parameters, lambda module, _: _whole(module), suffix=suffix
    )


def trained_biases(modules: Iterable[Module]) -> tuple[ParameterGroup, ...]:
    """Groups of modules whose bias alone is trained."""
    with_bias = (module for module in modules if module.bias)
    return grouped(
        with_bias, lambda module, _: module.out_features, lambda module, _: f"{module.out_features:,}", suffix=".bias"
    )


def total(groups: Iterable[ParameterGroup]) -> int:
    """All that `groups` train."""
    return sum(group.total for group in groups)


def _whole(module: Module) -> str:
    if module.kind in ("linear", "conv1d", "embedding", "experts"):
        stacked = f"{module.experts}·" if module.experts > 1 else ""
        return f"{stacked}{module.in_features:,}·{module.out_features:,}" + (
            f" + {module.out_features:,}" if module.bias else ""
        )
    return f"{module.parameters:,}"


def _group(found: list[Module], rank: int, each: int, formula: str, suffix: str) -> ParameterGroup:
    return ParameterGroup(
        name=last_part(found[0].name) + suffix,
        count=len(found),
        in_features=found[0].in_features,
        out_features=found[0].out_features,
        rank=rank,
        each=each,
        total=each * len(found),
        formula=formula,
    )
