"""A config with some settings changed, named by their dotted paths: ``{"training.learning_rate": 1e-4}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.config import RunConfig


def with_changes(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """`config` with `changes` made, validated as a whole; raises `WorkbenchError` with every problem."""
    values = config.model_dump(mode="json")
    for path, value in changes.items():
        *parts, last = path.split(".")
        place = values
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return RunConfig.parse(values)
