"""How many parameters a run trains: asks the method, which knows its own formula. Arithmetic on a Blueprint."""

from __future__ import annotations

from workbench.config import RunConfig
from workbench.methods.matching import module_names
from workbench.records.base_models import Blueprint, ParameterCount

__all__ = ["count", "module_names"]


def count(config: RunConfig, blueprint: Blueprint) -> ParameterCount:
    """The exact count for `config` on a model of that shape; raises `WorkbenchError` when a target names nothing."""
    return config.method.count(blueprint)
