"""Run configs from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.recipes import recipe, recipes, started_from


@dataclass(frozen=True)
class Start:
    """What a config is made from: a recipe, a file, or the defaults."""

    recipe: str | None = None
    file: Path | None = None
    pick: str | None = None
    """The entry of a file that holds several."""

    def config(self) -> RunConfig:
        """The whole config; raises `WorkbenchError` with every problem."""
        config = config_file.load(self.file, self.pick) if self.file else RunConfig()
        return started_from(recipe(self.recipe), config) if self.recipe else config


def write(path: Path | None, start: Start) -> None:
    """Print a config, or write it to `path`, which must not exist yet."""
    config = start.config()
    if path is None:
        print(config_file.to_yaml(config), end="")
        return
    if path.exists():
        raise WorkbenchError(f"{path} exists already.", remedy="Name another file.")
    config_file.save(config, path)
    print(f"Wrote {path}. Start it: workbench train {path}")


def list_recipes() -> None:
    """Print the recipes with what they are for and where they come from."""
    for each in recipes():
        print(f"{each.name}\n  {each.title}. {each.about}\n  {each.source}")
