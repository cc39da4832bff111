"""What the methods share that train virtual tokens: their number, and lines of the table that no module owns."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field

from workbench.errors import Problem
from workbench.method import Method
from workbench.methods.grouping import total, trained_whole
from workbench.methods.whole import head_modules
from workbench.records.base_models import Blueprint, Module, ParameterCount, ParameterGroup


class VirtualTokens(Method):
    """Trained vectors that stand before every row; no module of the base model is touched."""

    tokens: int = Field(20, ge=1, le=4096, title="Virtual tokens", description="How many trained vectors stand first.")

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        return ()

    @abstractmethod
    def groups(self, blueprint: Blueprint) -> tuple[ParameterGroup, ...]:
        """The lines of the table."""

    def count(self, blueprint: Blueprint) -> ParameterCount:
        groups = self.groups(blueprint)
        return ParameterCount(
            trainable=total(groups),
            base=blueprint.parameters,
            groups=groups,
            scaling=None,
            head=total(trained_whole(head_modules(blueprint))),
        )

    def check(self, blueprint: Blueprint) -> list[Problem]:
        return token_problems(blueprint, self.tokens)


def token_problems(blueprint: Blueprint, tokens: int) -> list[Problem]:
    """More virtual tokens than the model can read leave no room for a row."""
    if not blueprint.context_length or tokens < blueprint.context_length:
        return []
    return [
        Problem(
            f"{tokens:,} virtual tokens fill the context of {blueprint.context_length:,}.",
            "Enter fewer, so that rows fit behind them.",
            "method.tokens",
        )
    ]


def line(name: str, count: int, width: int, formula: str) -> ParameterGroup:
    """`count` trained vectors of `width`."""
    return ParameterGroup(
        name=name,
        count=count,
        in_features=0,
        out_features=width,
        rank=0,
        each=width,
        total=count * width,
        formula=formula,
    )
