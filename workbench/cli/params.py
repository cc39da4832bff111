"""The parameter calculator in the terminal: what a method would train in a base model, and how that sum comes about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workbench import config_file
from workbench.config import RunConfig, refuse
from workbench.home import Home
from workbench.models import Models
from workbench.records import ParameterCount


@dataclass(frozen=True)
class Overrides:
    """Options that replace what a config says; None leaves it."""

    model: str | None = None
    method: str | None = None
    rank: int | None = None
    alpha: float | None = None
    targets: str | None = None


def params(config_path: Path | None, overrides: Overrides, home: Path | None, *, as_json: bool) -> None:
    """Print the exact count for a run config, for options, or for a config with options over it."""
    config = overridden(config_file.load(config_path) if config_path else RunConfig(), overrides)
    with _models(home) as models:
        blueprint = models.blueprint(config.base_model)
    refuse(config.method.check(blueprint))
    count = config.method.count(blueprint)
    if as_json:
        print(json.dumps(_data(config, count), indent=2))
        return
    _print(config, count, Console())


def overridden(config: RunConfig, overrides: Overrides) -> RunConfig:
    """`config` with the options in place; another method starts from that method's own defaults."""
    values = config.model_dump()
    if overrides.model is not None:
        values["base_model"] = overrides.model
    if overrides.method is not None and overrides.method != config.method.kind:
        values["method"] = {"kind": overrides.method}
    if overrides.rank is not None:
        values["method"]["rank"] = overrides.rank
    if overrides.alpha is not None:
        values["method"]["alpha"] = overrides.alpha
    if overrides.targets is not None:
        values["method"]["target_modules"] = read_targets(overrides.targets)
    return RunConfig.parse(values)


def read_targets(text: str) -> str | list[str]:
    """``q_proj,v_proj`` is a list of names; ``all-linear`` and anything that is not plain names stays one text."""
    names = [name.strip() for name in text.split(",")]
    plain = all(name.replace("_", "").replace(".", "").replace("-", "").isalnum() for name in names)
    return names if plain and names != ["all-linear"] else text


@contextmanager
def _models(home_option: Path | None) -> Iterator[Models]:
    """Base models and an engine that only reads shapes: nothing here needs to own the home."""
    from workbench.engine_process import EngineProcess

    home = Home.locate(home_option)
    engine = EngineProcess(home)
    try:
        yield Models(home, engine.blueprint)
    finally:
        engine.close()


def _data(config: RunConfig, count: ParameterCount) -> dict[str, Any]:
    return {"model": config.base_model, "method": config.method.kind, **count.model_dump(mode="json")}


def _print(config: RunConfig, count: ParameterCount, console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("module", "count", "in", "out", "rank", "each", "formula", "parameters"):
        table.add_column(heading, justify="left" if heading in ("module", "formula") else "right")
    for group in count.groups:
        table.add_row(
            group.name,
            f"{group.count:,}",
            f"{group.in_features:,}",
            f"{group.out_features:,}",
            str(group.rank or ""),
            f"{group.each:,}",
            group.formula,
            f"{group.total:,}",
        )
    console.print(f"{config.method.title} on {config.base_model}", style="bold", highlight=False)
    console.print(table)
    for line in summary(count):
        console.print(line, highlight=False)


def summary(count: ParameterCount) -> Iterator[str]:
    """The sum, its share of the base model, and the scaling."""
    share = f", {100 * count.trainable / count.base:.4g} % of {count.base:,}" if count.base else ""
    fewer = f", {count.base / count.trainable:,.0f}× fewer" if 0 < count.trainable < count.base else ""
    yield f"trainable: {count.trainable:,}{share}{fewer}"
    if count.bound is not None:
        yield f"at most: {count.bound:,}, as the method moves rank between modules"
    if count.head:
        yield f"task head, trained beside it: {count.head:,}"
    if count.scaling is not None:
        yield f"scaling: {count.scaling:g}"
