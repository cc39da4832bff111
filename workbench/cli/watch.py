"""A run in the terminal: its phase, a progress bar, and how it ended."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from workbench.cli.connection import Connection
from workbench.errors import WorkbenchError
from workbench.records import Run, RunStatus

TICK_SECONDS = 0.5
COLOURS = {
    RunStatus.FINISHED: "green",
    RunStatus.STOPPED: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.INTERRUPTED: "red",
}


def watch(connection: Connection, run_id: str, console: Console) -> Run:
    """Show `run_id` until it is over. Ctrl-C asks it to save and stop; a second one leaves it to itself."""
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[facts]}"), console=console
    )
    asked_to_stop = False
    with progress:
        bar = progress.add_task("queued", total=None, facts="")
        while True:
            try:
                run = connection.run(run_id)
                _draw(progress, bar, run)
                if run.status.over:
                    return run
                time.sleep(TICK_SECONDS)
            except KeyboardInterrupt:
                if asked_to_stop:
                    raise
                asked_to_stop = True
                progress.console.print("Saving and stopping. Press Ctrl-C again to leave it to the worker.")
                connection.stop(run_id)


def _draw(progress: Progress, bar: TaskID, run: Run) -> None:
    detail = f" {run.phase_detail}" if run.phase_detail else ""
    word = run.phase if run.status is RunStatus.RUNNING and run.phase else run.status.value
    progress.update(bar, description=f"{word}{detail}", completed=run.step, total=run.total_steps, facts=_facts(run))


def _facts(run: Run) -> str:
    facts = [f"step {run.step} of {run.total_steps}"] if run.total_steps else []
    if run.loss is not None:
        facts.append(f"loss {run.loss:.4f}")
    if run.eval_loss is not None:
        facts.append(f"eval {run.eval_loss:.4f}")
    if run.tokens_per_second:
        facts.append(f"{run.tokens_per_second:,.0f} tokens/s")
    if run.seconds_left and not run.status.over:
        facts.append(f"{duration(run.seconds_left)} left")
    return " · ".join(facts)


def duration(seconds: float) -> str:
    """`seconds` as people say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def report(run: Run, console: Console) -> None:
    """How the run ended; raises `WorkbenchError` when it failed or was interrupted."""
    if run.status in (RunStatus.FAILED, RunStatus.INTERRUPTED):
        if run.log_tail:
            console.print(run.log_tail, style="dim", markup=False, highlight=False)
        raise WorkbenchError(
            f"The run {run.id} {_ending(run.status)}: {run.problem or 'its worker ended without a word.'}",
            remedy=run.remedy or f"Continue it from its last checkpoint: workbench resume {run.id}",
        )
    best = f", best eval loss {run.best_eval_loss:.4f}" if run.best_eval_loss is not None else ""
    console.print(Text.assemble((run.status.value, COLOURS[run.status]), f" at step {run.step}{best}"))
    console.print(f"Talk to it: workbench chat --adapter {run.id}", highlight=False)


def _ending(status: RunStatus) -> str:
    return "failed" if status is RunStatus.FAILED else "was interrupted"
