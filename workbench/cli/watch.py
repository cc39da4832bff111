"""A run in the terminal: its curve, its phase, a progress bar, and how it ended."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from workbench.cli.chart import Point, chart, smoothed
from workbench.cli.connection import Connection
from workbench.errors import WorkbenchError
from workbench.records.runs import MetricsDelta, Run, RunStatus

TICK_SECONDS = 0.5
POINTS = 2000
"""Steps that are asked for at first, of however many."""
WIDEST = 100
COLOURS = {
    RunStatus.FINISHED: "green",
    RunStatus.STOPPED: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.INTERRUPTED: "red",
}


class Screen:
    """What is shown of one run: the smoothed loss as a curve, below it the bar."""

    def __init__(self, console: Console) -> None:
        self._width = min(console.width, WIDEST)
        self._losses: list[Point] = []
        self._cursor = 0
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[facts]}")
        )
        self._task = self._bar.add_task("queued", total=None, facts="")

    @property
    def cursor(self) -> int:
        """Up to which event it knows the run's metrics."""
        return self._cursor

    def show(self, run: Run, delta: MetricsDelta) -> None:
        """Take in how the run stands and what it measured meanwhile."""
        if delta.reset:
            self._losses.clear()
        measured = zip(delta.steps.step, delta.steps.loss, strict=True)
        self._losses += [(float(step), loss) for step, loss in measured if loss is not None]
        self._cursor = delta.cursor
        detail = f" {run.phase_detail}" if run.phase_detail else ""
        word = run.phase if run.status is RunStatus.RUNNING and run.phase else run.status.value
        self._bar.update(
            self._task, description=f"{word}{detail}", completed=run.step, total=run.total_steps, facts=_facts(run)
        )

    def __rich__(self) -> RenderableType:
        losses = smoothed([loss for _, loss in self._losses])
        drawn = chart([(step, loss) for (step, _), loss in zip(self._losses, losses, strict=True)], self._width)
        return Group(Text(drawn, style="cyan", no_wrap=True), self._bar) if drawn else self._bar


def watch(connection: Connection, run_id: str, console: Console) -> Run:
    """Show `run_id` until it is over. Ctrl-C asks it to save and stop; a second one leaves it to itself."""
    screen = Screen(console)
    asked_to_stop = False
    with Live(screen, console=console, refresh_per_second=4) as live:
        while True:
            try:
                run = connection.run(run_id)
                screen.show(run, connection.metrics(run_id, screen.cursor, POINTS))
                if run.status.over:
                    return run
                time.sleep(TICK_SECONDS)
            except KeyboardInterrupt:
                if asked_to_stop:
                    raise
                asked_to_stop = True
                live.console.print("Saving and stopping. Press Ctrl-C again to leave it to the worker.")
                connection.stop(run_id)


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
