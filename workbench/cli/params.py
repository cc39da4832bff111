"""The parameter calculator in the terminal: what a method would train in a base model, and how that sum comes about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workbench import config_file
from workbench.calculator.device import this_device
from workbench.calculator.report import ParameterReport, parameter_report
from workbench.config import RunConfig
from workbench.errors import refuse
from workbench.home import Home
from workbench.methods.matching import parse_targets
from workbench.models import Models
from workbench.numbers import share, size


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
    report = parameter_report(config, blueprint, this_device())
    if as_json:
        print(report.model_dump_json(indent=2))
        return
    _print(config, report, Console())


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
        values["method"]["target_modules"] = parse_targets(overrides.targets)
    return RunConfig.parse(values)


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


def _print(config: RunConfig, report: ParameterReport, console: Console) -> None:
    console.print(f"{config.method.title} on {config.base_model}", style="bold", highlight=False)
    console.print(_groups(report))
    for line in summary(report):
        console.print(line, highlight=False)
    console.print(_comparisons(report))


def _groups(report: ParameterReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("module", "count", "in", "out", "rank", "each", "formula", "parameters"):
        table.add_column(heading, justify="left" if heading in ("module", "formula") else "right")
    for group in report.groups:
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
    return table


def summary(report: ParameterReport) -> Iterator[str]:
    """The sum, its share of the base model, what it weighs, and whether a step fits on this machine."""
    part = f", {share(report.trainable, report.base)} of {report.base:,}" if report.base else ""
    fewer = f", {report.reduction:,.0f}× fewer" if report.reduction > 1 else ""
    yield f"trainable: {report.trainable:,}{part}{fewer}"
    if report.bound is not None:
        yield f"at most: {report.bound:,}, as the method moves rank between modules"
    if report.head:
        yield f"task head, trained beside it: {report.head:,}"
    if report.scaling is not None:
        yield f"scaling: {report.scaling:g}"
    yield (
        f"adapter on disk: {size(report.adapter_bytes_fp32)} in fp32, {size(report.adapter_bytes_bf16)} in bf16; "
        f"optimizer state {size(report.optimizer_bytes)}"
    )
    if report.memory is not None:
        estimate = report.memory
        yield f"a training step: {size(estimate.needed)}, {estimate.verdict} ({estimate.device.name})"
        for change in estimate.changes:
            yield f"  {change.label}: {size(change.total)}"


def _comparisons(report: ParameterReport) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, title="For comparison", title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for other in report.comparisons:
        table.add_row(other.label, f"{other.trainable:,}")
    return table
