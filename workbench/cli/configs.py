"""Run configs from the command line."""

from __future__ import annotations

from pathlib import Path

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError


def write_default(path: Path | None) -> None:
    """Print the default config, or write it to `path`, which must not exist yet."""
    if path is None:
        print(config_file.to_yaml(RunConfig()), end="")
        return
    if path.exists():
        raise WorkbenchError(f"{path} exists already.", remedy="Name another file.")
    config_file.save(RunConfig(), path)
    print(f"Wrote {path}. Start it: workbench train {path}")
