"""Runs from the terminal: start one, list them, look at one, stop it, continue it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from workbench import config_file
from workbench.cli.connection import Connection, connect
from workbench.cli.watch import COLOURS, report, watch
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.records.runs import Run, RunStatus

START_PATIENCE_SECONDS = 5.0


def train(config_path: Path, home: Path | None, *, detach: bool, name: str | None = None) -> None:
    """Submit the config's run; watch it to its end, or leave it queued."""
    config = from_here(config_file.load(config_path), config_path)
    if name is not None:
        config = config.model_copy(update={"name": name})
    console = Console()
    with connect(home) as connection:
        run = connection.submit(config)
        if detach:
            _say_where(_settled(connection, run), console)
            return
        report(watch(connection, run.id, console), console)


def from_here(config: RunConfig, config_path: Path) -> RunConfig:
    """A dataset named by a relative path lies beside the config, or in the working directory."""
    name = config.data.dataset
    for folder in (Path.cwd(), config_path.resolve().parent):
        if (folder / name).is_file():
            return config.model_copy(update={"data": config.data.model_copy(update={"dataset": str(folder / name)})})
    return config


def _settled(connection: Connection, run: Run) -> Run:
    """The run once it has left the queue, or as it is after a moment: another one may hold the device."""
    patience = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < patience:
        run = connection.run(run.id)
        if run.status is not RunStatus.QUEUED:
            return run
        time.sleep(0.1)
    return run


def _say_where(run: Run, console: Console) -> None:
    if run.status is RunStatus.QUEUED:
        console.print(f"{run.id} waits in the queue; the next workbench process of this home starts it in its turn.")
    else:
        console.print(f"{run.id} is {run.status.value}. Watch it: workbench runs watch {run.id}", highlight=False)


def list_runs(home: Path | None, query: str, sort: str, *, as_json: bool) -> None:
    """The runs that `query` finds, in the order of `sort`."""
    with connect(home) as connection:
        runs = connection.runs(query, sort)
    if as_json:
        print(json.dumps([run.model_dump(mode="json") for run in runs], indent=2))
        return
    if not runs:
        print("No run matches." if query else "No runs yet. Start one: workbench train CONFIG.yaml")
        return
    Console().print(_table(runs))


def _table(runs: Sequence[Run]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("run", "name", "status", "step", "loss", "eval loss", "method", "trainable"):
        table.add_column(heading, justify="right" if heading in ("step", "loss", "eval loss", "trainable") else "left")
    for run in runs:
        table.add_row(
            run.id,
            run.name,
            Text(run.status.value, style=COLOURS.get(run.status, "")),
            f"{run.step}/{run.total_steps}" if run.total_steps else "",
            _number(run.loss),
            _number(run.eval_loss),
            run.method,
            f"{run.trainable:,}" if run.trainable else "",
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def show(run_id: str, home: Path | None, *, as_json: bool) -> None:
    """One run: its facts and the end of its log."""
    with connect(home) as connection:
        run = find(connection, run_id)
        log = connection.log(run.id)
    if as_json:
        print(run.model_dump_json(indent=2))
        return
    console = Console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(run):
        facts.add_row(Text(name, style="bold"), value)
    console.print(facts)
    if run.problem:
        console.print(f"\n{run.problem} {run.remedy}", style="red", markup=False)
    console.print(f"\n{log}", style="dim", markup=False, highlight=False)


def _facts(run: Run) -> list[tuple[str, str]]:
    return [
        ("run", f"{run.id}  {run.name}"),
        ("status", run.status.value + (f", {run.phase}" if run.phase and run.status.active else "")),
        ("base model", run.base_model),
        ("dataset", run.dataset),
        ("method", f"{run.method}, rank {run.rank}, alpha {run.alpha}, {run.target_modules}"),
        ("trainable", f"{run.trainable:,}" if run.trainable else ""),
        ("step", f"{run.step} of {run.total_steps}" if run.total_steps else str(run.step)),
        ("loss", f"{_number(run.loss)}  eval {_number(run.eval_loss)}  best {_number(run.best_eval_loss)}"),
        ("checkpoints", ", ".join(checkpoint.name for checkpoint in run.checkpoints) or "none"),
    ]


def watch_run(run_id: str, home: Path | None) -> None:
    """Follow a run to its end."""
    console = Console()
    with connect(home) as connection:
        run = find(connection, run_id)
        report(watch(connection, run.id, console), console)


def compare(run_ids: Sequence[str], home: Path | None, *, as_json: bool) -> None:
    """Runs beside each other: only the settings in which they differ, and what came of them."""
    with connect(home) as connection:
        found = connection.compare([find(connection, run_id).id for run_id in run_ids])
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    results = ("trainable", "best eval loss", "loss", "status")
    for heading in ("run", *(difference.title.lower() for difference in found.differing), *results):
        table.add_column(heading)
    for place, run in enumerate(found.runs):
        settings = [str(difference.values[place]) for difference in found.differing]
        outcome = [f"{run.trainable:,}" if run.trainable else "", _number(run.best_eval_loss), _number(run.loss)]
        table.add_row(run.name, *settings, *outcome, Text(run.status.value, style=COLOURS.get(run.status, "")))
    Console().print(table)


def go_on(run_id: str, home: Path | None, changes: Sequence[str], checkpoint: str, *, detach: bool) -> None:
    """A new run that starts from what this one has learnt."""
    console = Console()
    with connect(home) as connection:
        run = connection.go_on(find(connection, run_id).id, dict(map(_setting, changes)), checkpoint)
        if detach:
            _say_where(_settled(connection, run), console)
            return
        report(watch(connection, run.id, console), console)


def _setting(text: str) -> tuple[str, Any]:
    """``training.learning_rate=1e-4`` as the dotted field and its value, read as in a config file."""
    field, sign, value = text.partition("=")
    if not sign or not field:
        raise WorkbenchError(f"“{text}” is no setting.", remedy="Write it as training.learning_rate=1e-4.")
    return field.strip(), config_file.plain_value(value)


def cancel(run_id: str, home: Path | None) -> None:
    """End a run this instant; what it saved before stays."""
    with connect(home) as connection:
        run = connection.cancel(find(connection, run_id).id)
    print(f"{run.id} is {run.status.value}.")


def label(run_id: str, home: Path | None, changes: Mapping[str, Any]) -> None:
    """Set what is to be said of a run."""
    with connect(home) as connection:
        run = connection.label(find(connection, run_id).id, changes)
    print(f"{run.id}  {run.name}" + "".join(f"  [{tag}]" for tag in run.tags))


def delete(run_id: str, home: Path | None, *, sure: bool) -> None:
    """Delete a run and everything in its folder, after asking."""
    with connect(home) as connection:
        run = find(connection, run_id)
        if not sure and not Confirm.ask(f"Delete “{run.name}” ({run.id}) with its adapter, checkpoints and log?"):
            return
        connection.delete(run.id)
    print(f"{run.id} is deleted.")


def stop(run_id: str, home: Path | None) -> None:
    """Ask a run to save and stop."""
    with connect(home) as connection:
        run = connection.stop(find(connection, run_id).id)
    print(f"{run.id} is {run.status.value}.")


def resume(run_id: str, home: Path | None, *, detach: bool) -> None:
    """Go on from a run's newest valid checkpoint."""
    console = Console()
    with connect(home) as connection:
        run = connection.resume(find(connection, run_id).id)
        if detach:
            _say_where(_settled(connection, run), console)
            return
        report(watch(connection, run.id, console), console)


def find(connection: Connection, run_id: str) -> Run:
    """The run whose id is `run_id` or alone begins with it, or whose name is `run_id`."""
    runs = connection.runs("is:any")
    exact = [run for run in runs if run_id in (run.id, run.name)]
    found = exact[:1] or [run for run in runs if run.id.startswith(run_id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.id for run in found)
        raise WorkbenchError(f"“{run_id}” begins {len(found)} runs: {ids}.", remedy="Write more of the id.")
    raise WorkbenchError(f"There is no run “{run_id}”.", remedy="See them all: workbench runs")


def reindex(home: Path | None) -> None:
    """Rebuild the index from the run folders."""
    from workbench.home import Home
    from workbench.runs import Runs
    from workbench.runs.owner import own

    place = Home.locate(home)
    with own(place):
        runs = Runs(place)
        try:
            print(f"Read {runs.reindex()} runs from {place.runs}.")
        finally:
            runs.close()
