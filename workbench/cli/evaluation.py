"""Measure adapters against their base on the prompts of a dataset, a file, or the rows that a run held out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from workbench.cli.chat import open_panes
from workbench.cli.connection import FullConnection, connect
from workbench.cli.runs import find
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.playground.batch_records import BatchFigures, BatchPane, BatchRequest, BatchState, PromptSource

LOOK_SECONDS = 0.5
SOME_FAILED = 2
STOPPED = 130
"""The exit status that a shell gives to what was ended by Ctrl-C."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    base: str = ""
    adapters: Sequence[str] = ()
    dataset: str = ""
    held_out_of: str = ""
    """The run whose held-out rows are asked where no dataset is named."""
    metrics: str = ""
    """Kinds of metrics, separated by commas."""
    expression: str = ""
    limit: int | None = None
    system: str = ""
    max_tokens: int = 200
    name: str = ""
    output: Path | None = None


def evaluate(home: Path | None, wanted: Wanted) -> int:
    """Run the batch, print its figures, write the report; the exit status says whether every prompt was answered."""
    ending = _ending(wanted.output)
    console = Console(stderr=True)
    with connect(home) as connection:
        state = connection.begin_batch(_request(connection, wanted))
        names = [pane.label or pane.model for pane in state.batch.request.panes]
        state = _follow(connection, state, console)
        _print(connection.batch_figures(state.batch.id), names)
        if wanted.output is not None:
            wanted.output.write_text(connection.batch_report(state.batch.id, ending), encoding="utf-8")
            console.print(f"Written to {wanted.output}.")
    if state.errors:
        console.print(f"{state.errors} of {state.total} answers failed; the page of the batch tells why.")
    return SOME_FAILED if state.errors else 0


def _ending(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".").lower() if output else "md"
    if ending not in ("md", "csv", "jsonl"):
        raise WorkbenchError(
            f"A report cannot be written as “.{ending}”.", remedy="Name a file that ends in .md, .csv or .jsonl."
        )
    return ending


def _request(connection: FullConnection, wanted: Wanted) -> BatchRequest:
    from workbench.playground import Sampling
    from workbench.playground.batch_records import DEFAULT_METRICS, BatchPane, BatchRequest, Scoring

    base_model, panes = open_panes(connection, wanted.base, wanted.adapters, "")
    metrics = tuple(kind.strip() for kind in wanted.metrics.split(",") if kind.strip()) or DEFAULT_METRICS
    columns: list[BatchPane] = [
        BatchPane(
            model=pane.model,
            label=pane.title if pane.model == "base" else _label(pane.title, pane.model),
            system=wanted.system,
        )
        for pane in panes
    ]
    return BatchRequest(
        name=wanted.name,
        base_model=base_model,
        panes=tuple(columns),
        source=_source(connection, wanted),
        limit=wanted.limit,
        sampling=Sampling(max_tokens=wanted.max_tokens),
        scoring=Scoring(metrics=metrics, expression=wanted.expression),
    )


def _label(title: str, model: str) -> str:
    """A run's name with what is special of its model id: a checkpoint, a strength."""
    special = model[model.find("/") :] if "/" in model else model[model.find("@") :] if "@" in model else ""
    return f"{title}{special}"


def _source(connection: FullConnection, wanted: Wanted) -> PromptSource:
    from workbench.playground.batch_records import PromptSource

    if wanted.dataset:
        path = Path(wanted.dataset).expanduser()
        if path.is_file():
            return PromptSource(kind="file", id=connection.send_prompts(path).id)
        return PromptSource(kind="dataset", id=wanted.dataset)
    if not wanted.held_out_of:
        raise WorkbenchError(
            "There is nothing to ask.", remedy="Name a dataset or a prompt file with --dataset, or a run with --run."
        )
    return PromptSource(kind="run", id=find(connection, wanted.held_out_of).id)


def _follow(connection: FullConnection, state: BatchState, console: Console) -> BatchState:
    """Show how far it is until it ends; Ctrl-C stops it, and it can be gone on with on the page."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{state.batch.prompts} prompts", total=state.total)
        try:
            while state.status == "running":
                progress.update(task, completed=state.done)
                time.sleep(LOOK_SECONDS)
                state = connection.batch(state.batch.id)
        except KeyboardInterrupt:
            connection.stop_batch(state.batch.id)
            console.print(f"Stopped. The page can go on with it: batch {state.batch.id}.")
            raise typer.Exit(STOPPED) from None
        progress.update(task, completed=state.done)
    return state


def _print(figures: BatchFigures, names: Sequence[str]) -> None:
    """The figures as a table; under each adapter's figure its difference to the base."""
    table = Table()
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for metric in figures.metrics:
        cells = []
        for pane, value in enumerate(metric.values):
            found = next((one for one in figures.differences if (one.metric, one.pane) == (metric.kind, pane)), None)
            told = "–" if value is None else f"{value:.2f}"
            if found is not None:
                p = "p < 0.001" if found.p < 0.001 else f"p {found.p:.3f}"
                told += f"\n{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f}), {p}"
            cells.append(told)
        table.add_row(metric.title, *cells)
    table.add_row("answered", *(str(count) for count in figures.answered))
    if any(figures.errors):
        table.add_row("failed", *(str(count) for count in figures.errors))
    Console().print(table)
    for metric in figures.metrics:
        if metric.note:
            Console(stderr=True).print(f"{metric.title}: {metric.note}")
