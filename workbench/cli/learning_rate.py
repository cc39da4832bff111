"""A search for a learning rate in the terminal: its curve while it goes on, and what it suggests."""

from __future__ import annotations

import math
import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from workbench import config_file
from workbench.cli.chart import chart
from workbench.cli.connection import Connection, connect
from workbench.cli.runs import from_here
from workbench.cli.watch import TICK_SECONDS, WIDEST
from workbench.errors import WorkbenchError
from workbench.runs.range_tests import RangeTest


def find_learning_rate(config_path: Path, home: Path | None, *, as_json: bool) -> None:
    """Try learning rates for the config's run, and say which one the curve suggests."""
    config = from_here(config_file.load(config_path), config_path)
    console = Console(stderr=as_json)
    with connect(home) as connection:
        test = _watch(connection, connection.find_learning_rate(config), console)
    if as_json:
        print(test.model_dump_json(indent=2))
        return
    report(test, console)


def report(test: RangeTest, console: Console) -> None:
    """How it ended; raises `WorkbenchError` when it failed."""
    if test.status == "failed":
        raise WorkbenchError(f"The search for a learning rate failed: {test.problem}", remedy=test.remedy)
    found = test.suggestion
    if found is None:
        console.print(f"{test.reason} It suggests nothing.", highlight=False)
        return
    console.print(Text.assemble("Suggested: ", (f"training.learning_rate: {found.learning_rate:g}", "green")))
    told = f"This is {test.rule} ({found.lowest_at:.2g}). {test.rule_reason} {found.note}"
    console.print(told.strip(), style="dim", highlight=False)


def _watch(connection: Connection, test: RangeTest, console: Console) -> RangeTest:
    """Show it until it is over. Ctrl-C asks it to end; a second one leaves it to itself."""
    stopped = False
    with Live(drawn(test, console), console=console, refresh_per_second=4) as live:
        while test.status == "running":
            try:
                time.sleep(TICK_SECONDS)
                test = connection.range_test(test.id)
                live.update(drawn(test, console))
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped = True
                connection.stop_range_test(test.id)
    return test


def drawn(test: RangeTest, console: Console) -> RenderableType:
    """The smoothed curve over the logarithm of the rate, and where it stands."""
    finite = [rate for rate, loss in zip(test.learning_rates, test.losses, strict=True) if loss is not None]
    points = [(math.log10(rate), loss) for rate, loss in zip(finite, test.smoothed, strict=True)]
    curve = chart(points, min(console.width, WIDEST), shown=lambda exponent: f"{10**exponent:.2g}")
    where = f"{test.phase or 'starting'} {test.detail}".strip()
    if test.steps:
        where = f"{test.steps} of {test.total_steps} learning rates, {test.learning_rates[-1]:.2g} the last"
    return Group(Text(curve, style="cyan", no_wrap=True), Text(where)) if curve else Text(where)
