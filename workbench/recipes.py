"""Recipes: partial run configs to start from, as files under ``presets/recipes/``, each with where it comes from."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.presets import PRESETS
from workbench.records import Record

FIRST = "quick-cpu-demo"


class Recipe(Record):
    """One file."""

    name: str
    """Of the file, without its ending."""
    title: str
    about: str
    """What it is for, a sentence or two."""
    source: str
    """Where its values were published."""
    config: dict[str, Any]
    """The settings that it makes; all others are left at their defaults."""


@lru_cache(maxsize=1)
def recipes() -> tuple[Recipe, ...]:
    """All of them, the demo first, then by title."""
    found = [
        Recipe(name=path.stem, **yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in (PRESETS / "recipes").glob("*.yaml")
    ]
    return tuple(sorted(found, key=lambda recipe: (recipe.name != FIRST, recipe.title)))


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises `WorkbenchError` that lists those there are."""
    found = next((each for each in recipes() if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in recipes())
        raise WorkbenchError(f"There is no recipe “{name}”.", remedy=f"Choose one of: {names}.")
    return found


def started_from(recipe: Recipe, config: RunConfig) -> RunConfig:
    """A config made by `recipe`; base model, dataset and name are those of `config` where the recipe names none."""
    asked = recipe.config
    values = {
        "name": config.name,
        "base_model": config.base_model,
        **asked,
        "data": {"dataset": config.data.dataset, **asked.get("data", {})},
    }
    return RunConfig.parse(values)
