"""What can be read of runs, by any thread and without waiting for the supervisor: the index first, the folder else."""

from __future__ import annotations

import sqlite3
import time
from builtins import list as list_of
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import EvaluationColumns, MetricsDelta, Run, StepColumns
from workbench.runs import downloads
from workbench.runs.catalogue import Catalogue, read_run
from workbench.runs.changes import with_changes
from workbench.runs.comparison import Comparison, compare
from workbench.runs.disk import DiskUsage, disk_usage, folder_bytes
from workbench.runs.explanation import Explanation, explain
from workbench.runs.folder import RunFolder, run_folder
from workbench.runs.index import Index
from workbench.runs.progress import last_failure
from workbench.runs.queue import Queue, QueueState
from workbench.runs.reduction import reduce_steps
from workbench.runs.search import find
from workbench.runs.summary import attempt
from workbench.runs.system import WorkerLoad, worker_load

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds that a reader waits for an index that is being made again."""


class RunReader:
    """The reading half of `Runs`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._index = Index(home.index)
        self._catalogue = Catalogue(home, self._index)
        self._epoch = time.time_ns() // 1_000_000

    def list(self, query: str = "", sort: str = "-created") -> list_of[Run]:
        """The runs that `query` finds, pinned ones first, then in the order of `sort`; see `workbench.runs.search`."""
        return find(self._patiently(self._index.runs), query, sort)

    def get(self, run_id: str) -> Run:
        """One run; raises `WorkbenchError` when there is none."""
        return self._patiently(lambda: self._index.run(run_id)) or read_run(self.folder(run_id))

    def config(self, run_id: str, changes: Mapping[str, Any] | None = None) -> RunConfig:
        """What was asked of it, with `changes` by dotted field for a run that is to be made from it."""
        return with_changes(self.folder(run_id).config, changes or {})

    def folder(self, run_id: str) -> RunFolder:
        """Its folder."""
        return run_folder(self._home, run_id)

    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta:
        """What it logged after the event `after`, a column a measure; later steps of superseded attempts are gone.

        With `points`, at most about so many steps, chosen so that the curves look the same and spikes stay.
        """
        delta = self._patiently(lambda: self._index.metrics(run_id, after))
        if delta is None:
            self.folder(run_id)  # it is there, and not yet in the index
            nothing = {"steps": StepColumns(), "evaluations": EvaluationColumns()}
            return MetricsDelta(run=run_id, cursor=0, reset=False, **nothing)
        return delta if points is None else delta.model_copy(update={"steps": reduce_steps(delta.steps, points)})

    def log(self, run_id: str, lines: int = 40) -> str:
        """The last lines of its worker's output."""
        return self.folder(run_id).log_tail(lines)

    def changed(self) -> int:
        """Differs from what it was before whenever any run has changed; costs nothing."""
        return self._epoch + self._catalogue.changes

    def explain(self, run_id: str) -> Explanation | None:
        """Why it failed or was interrupted, and the settings that would help; None when it did neither."""
        run = self.get(run_id)
        if not run.problem:
            return None
        failure = last_failure(self.folder(run_id).events())
        return explain(run, self.folder(run_id).config, failure.traceback if failure else "")

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        """Runs beside each other, with the settings in which they differ."""
        return compare([self.get(run_id) for run_id in run_ids], [self.config(run_id) for run_id in run_ids])

    def queue(self) -> QueueState:
        """Which runs wait, in which order, and whether anything is started."""
        return Queue(self._home.queue).state()

    def load(self, run_id: str) -> WorkerLoad | None:
        """Memory and processor time of its worker; None when none is at work on this machine."""
        launched = attempt(self.folder(run_id).history)
        return worker_load(launched.worker) if launched is not None else None

    def bytes(self, run_id: str) -> int:
        """What deleting it would free."""
        return folder_bytes(self.folder(run_id).path)

    def disk(self) -> DiskUsage:
        """What the workbench takes of the disk, by place and by run."""
        return disk_usage(self._home, self._patiently(self._index.runs))

    def adapter_zip(self, run_id: str, checkpoint: str | None = None) -> Iterator[Any]:
        """The bytes of a zip of its finished adapter, or of a checkpoint's."""
        return downloads.adapter_zip(self.folder(run_id), checkpoint)

    def metrics_csv(self, run_id: str) -> Iterator[str]:
        """Its metrics as lines of CSV."""
        return downloads.metrics_csv(self.metrics(run_id))

    def index_is_damaged(self) -> None:
        """Called when reading met damage; whoever writes the index makes it again."""

    def _patiently(self, read: Callable[[], T]) -> T:
        """What `read` gives; an index that was damaged or deleted is made again meanwhile, which takes a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return read()
            except sqlite3.DatabaseError as error:
                if not isinstance(error, sqlite3.OperationalError):
                    self.index_is_damaged()
                if time.monotonic() > deadline:
                    raise WorkbenchError(
                        f"The index of the runs cannot be read: {error}.",
                        remedy="Try again in a moment; if it stays so, run “workbench reindex”.",
                    ) from error
                time.sleep(0.05)
