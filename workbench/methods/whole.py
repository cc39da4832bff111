"""What the methods share that train parameters of the base model itself, with no adapter: a list of modules, a sum."""

from __future__ import annotations

from abc import abstractmethod

from workbench.errors import Problem
from workbench.method import Method
from workbench.methods.grouping import total, trained_whole
from workbench.methods.matching import saved_modules, task_heads
from workbench.records.base_models import Blueprint, Module, ParameterCount, ParameterGroup


class Whole(Method):
    """Trains weights of the base model, in place or as copies beside it."""

    @abstractmethod
    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]: ...

    def groups(self, blueprint: Blueprint) -> tuple[ParameterGroup, ...]:
        """The lines of the table; all parameters of the targets unless a method says otherwise."""
        return trained_whole(self.targets(blueprint))

    def count(self, blueprint: Blueprint) -> ParameterCount:
        groups = self.groups(blueprint)
        return ParameterCount(
            trainable=total(groups),
            base=blueprint.parameters,
            groups=groups,
            scaling=None,
            head=total(trained_whole(head_modules(blueprint))),
        )

    def beside(self, module: Module) -> int:
        return module.parameters

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return []


def head_modules(blueprint: Blueprint) -> tuple[Module, ...]:
    """The modules of a classification head, which are trained whatever the method."""
    return saved_modules(blueprint, task_heads(blueprint))


def own_modules(blueprint: Blueprint) -> tuple[Module, ...]:
    """Every module with parameters of its own, without a classification head; tied ones once."""
    heads = {module.name for module in head_modules(blueprint)}
    return tuple(
        module
        for module in blueprint.modules
        if module.parameters and module.tied_to is None and module.name not in heads
    )
