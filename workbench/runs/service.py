"""`Runs`: the server's service over the run folders, their index and their supervisor.

Reading never waits for anybody; whatever changes something is done by the supervisor's thread, one change after the
other. Knows no page and no HTTP.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records import EvaluationColumns, MetricsDelta, Run, RunStatus, StepColumns
from workbench.runs import history, labels
from workbench.runs.catalogue import Catalogue, read_run
from workbench.runs.executor import EXECUTORS, Executor
from workbench.runs.folder import RunFolder, run_folder
from workbench.runs.index import Index
from workbench.runs.supervisor import Supervisor
from workbench.runs.watch import Patience

T = TypeVar("T")


class Runs:
    """Every run under a home. The caller owns the home; see `workbench.runs.owner`."""

    def __init__(self, home: Home, executor: Executor | None = None, patience: Patience | None = None) -> None:
        self._home = home
        self._index = Index(home.index)
        self._catalogue = Catalogue(home, self._index)
        self._supervisor = Supervisor(
            home, self._catalogue, executor or EXECUTORS.get("local")(), patience or Patience()
        )
        self._epoch = time.time_ns() // 1_000_000

    def start(self) -> None:
        """Bring the index up to date, take up the workers that are running, and start what is queued."""
        _sweep(self._home)
        self._catalogue.open()
        self._supervisor.start()

    def close(self) -> None:
        """End the supervisor; workers go on."""
        self._supervisor.close()
        self._catalogue.close()

    # --- reading ---

    def list(self, query: str = "") -> list[Run]:
        """The runs that have every word of `query` in what a list shows of them, the newest first."""
        words = query.casefold().split()
        found = self._patiently(self._index.runs)
        return [run for run in found if all(word in _searched(run) for word in words)]

    def get(self, run_id: str) -> Run:
        """One run; raises `WorkbenchError` when there is none."""
        return self._patiently(lambda: self._index.run(run_id)) or read_run(self.folder(run_id))

    def config(self, run_id: str) -> RunConfig:
        """What was asked of it."""
        return self.folder(run_id).config

    def folder(self, run_id: str) -> RunFolder:
        """Its folder."""
        return run_folder(self._home, run_id)

    def metrics(self, run_id: str, after: int = 0) -> MetricsDelta:
        """What it logged after the event `after`, a column a measure; later steps of superseded attempts are gone."""
        delta = self._patiently(lambda: self._index.metrics(run_id, after))
        if delta is not None:
            return delta
        self.folder(run_id)  # it is there, and not yet in the index
        return MetricsDelta(run=run_id, cursor=0, reset=False, steps=StepColumns(), evaluations=EvaluationColumns())

    def log(self, run_id: str, lines: int = 40) -> str:
        """The last lines of its worker's output."""
        return self.folder(run_id).log_tail(lines)

    def changed(self) -> int:
        """Differs from what it was before whenever any run has changed; costs nothing."""
        return self._epoch + self._catalogue.changes

    # --- changing ---

    def submit(self, config: RunConfig, *, continues: str | None = None) -> Run:
        """Queue a run of `config`, which the caller has checked."""

        def change() -> Run:
            folder = RunFolder.create(self._home, config, continues=continues)
            self._supervisor.waiting.add(folder.id)
            return self._refreshed(folder.id)

        return self._supervisor.ask(change)

    def stop(self, run_id: str) -> Run:
        """Take a queued run out of the queue; ask a running one to save and stop. One that is over stays as it is."""

        def change() -> Run:
            folder, run = self.folder(run_id), self.get(run_id)
            if run.status is RunStatus.QUEUED:
                self._supervisor.waiting.remove(run_id)
                history.append(folder.history_file, history.Cancelled(time=time.time()))
            elif run.status in (RunStatus.STARTING, RunStatus.RUNNING):
                history.append(folder.history_file, history.StopAsked(time=time.time()))
                folder.request_stop()
            return self._refreshed(run_id)

        return self._supervisor.ask(change)

    def resume(self, run_id: str) -> Run:
        """Queue a run again, to go on from its newest valid checkpoint; raises `WorkbenchError` when it cannot."""

        def change() -> Run:
            folder, run = self.folder(run_id), self.get(run_id)
            if run.status is RunStatus.FINISHED:
                raise WorkbenchError(
                    f"“{run.name}” has finished; there is nothing left to resume.",
                    remedy="Start a new run that continues it, with more epochs.",
                )
            if not run.status.over:
                raise WorkbenchError(f"“{run.name}” is {run.status} already.", remedy="Wait for it, or stop it first.")
            folder.clear_stop()
            history.append(folder.history_file, history.Queued(time=time.time()))
            self._supervisor.waiting.add(run_id)
            return self._refreshed(run_id)

        return self._supervisor.ask(change)

    def rename(self, run_id: str, name: str) -> Run:
        """Call it `name`."""

        def change() -> Run:
            folder = self.folder(run_id)
            labels.save(labels.changed(folder.labels, name=name.strip()), folder.labels_file)
            return self._refreshed(run_id)

        return self._supervisor.ask(change)

    def delete(self, run_id: str) -> None:
        """Remove a run and its folder; raises `WorkbenchError` while a worker is at it."""

        def change() -> None:
            folder = self.folder(run_id)
            if self._supervisor.working(run_id):
                raise WorkbenchError(
                    "A worker is still at work on this run.", remedy="Stop it, and delete it when it has ended."
                )
            self._supervisor.waiting.remove(run_id)
            doomed = folder.path.rename(folder.path.with_name(f".deleted-{run_id}"))
            self._catalogue.forget(run_id)
            shutil.rmtree(doomed, ignore_errors=True)

        self._supervisor.ask(change)

    def reindex(self) -> int:
        """Make the index again from the folders; returns how many runs there are."""
        return self._supervisor.ask(self._catalogue.rebuild)

    def _patiently(self, read: Callable[[], T]) -> T:
        """What `read` gives; an index that was damaged or deleted is made again meanwhile, which takes a moment."""
        deadline = time.monotonic() + 5
        while True:
            try:
                return read()
            except sqlite3.DatabaseError as error:
                if not isinstance(error, sqlite3.OperationalError):
                    self._supervisor.index_is_damaged()
                if time.monotonic() > deadline:
                    raise WorkbenchError(
                        f"The index of the runs cannot be read: {error}.",
                        remedy="Try again in a moment; if it stays so, run “workbench reindex”.",
                    ) from error
                time.sleep(0.05)

    def _refreshed(self, run_id: str) -> Run:
        self._catalogue.refresh(run_id)
        return self.get(run_id)


def _searched(run: Run) -> str:
    shown = (run.name, run.id, run.base_model, run.dataset, run.method, run.status, run.note, *run.tags)
    return " ".join(shown).casefold()


def _sweep(home: Home) -> None:
    """Remove what a crash left of folders that were being made or deleted."""
    for leftover in (*home.runs.glob(".new-*"), *home.runs.glob(".deleted-*")):
        shutil.rmtree(leftover, ignore_errors=True)
