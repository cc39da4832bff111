"""`Runs`: the server's service over the run folders, their index and their supervisor.

Reading never waits for anybody; whatever changes something is done by the supervisor's thread, one change after the
other. Knows no page and no HTTP.
"""

from __future__ import annotations

import shutil
import time
from builtins import list as list_of
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of
from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs import history, labels
from workbench.runs.executor import EXECUTORS, Executor
from workbench.runs.folder import RunFolder
from workbench.runs.lanes import DeviceState, Lane, find_lanes
from workbench.runs.queue import QueueState
from workbench.runs.reading import RunReader
from workbench.runs.retention import dispensable
from workbench.runs.room import Room
from workbench.runs.supervisor import Supervisor
from workbench.runs.watch import Patience

T = TypeVar("T")


class Runs(RunReader):
    """Every run under a home. The caller owns the home; see `workbench.runs.owner`."""

    def __init__(
        self,
        home: Home,
        executor: Executor | None = None,
        patience: Patience | None = None,
        lanes: Sequence[Lane] | None = None,
        room: Room | None = None,
    ) -> None:
        super().__init__(home)
        self._room = room or Room(home)
        self._lanes = tuple(find_lanes() if lanes is None else lanes)
        self._supervisor = Supervisor(
            home,
            self._catalogue,
            executor or EXECUTORS.get("local")(),
            patience or Patience(),
            self._lanes,
            self._room,
        )

    def start(self) -> None:
        """Bring the index up to date, take up the workers that are running, and start what is queued."""
        _sweep(self._home)
        self._catalogue.open()
        self._supervisor.start()

    def close(self) -> None:
        """End the supervisor; workers go on."""
        self._supervisor.close()
        self._catalogue.close()

    def index_is_damaged(self) -> None:
        self._supervisor.index_is_damaged()

    # --- the life of a run ---

    def submit(self, config: RunConfig, *, continues: str | None = None) -> Run:
        """Queue a run of `config`, which the caller has checked.

        It may start from what another run has learnt: `continues` is that run's id, or ``RUN/checkpoint-200``.
        """

        def change() -> Run:
            if continues is not None:
                self._require_saved(continues)
            folder = RunFolder.create(self._home, config, continues=continues)
            self._supervisor.waiting.add(folder.id)
            return self._refreshed(folder.id)

        return self._do(change)

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

        return self._do(change)

    def cancel(self, run_id: str) -> Run:
        """End a run this instant, without saving; what it saved before stays."""

        def change() -> Run:
            run = self.get(run_id)
            if run.status.active:
                self._supervisor.kill(run_id)
                history.append(self.folder(run_id).history_file, history.Cancelled(time=time.time()))
                return self._refreshed(run_id)
            return self.stop(run_id)

        return self._do(change)

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

        return self._do(change)

    def delete(self, run_id: str) -> None:
        """Remove a run and its folder; raises `WorkbenchError` while a worker is at it."""

        def change() -> None:
            folder = self._idle_folder(run_id)
            self._supervisor.waiting.remove(run_id)
            doomed = folder.path.rename(folder.path.with_name(f".deleted-{run_id}"))
            self._catalogue.forget(run_id)
            shutil.rmtree(doomed, ignore_errors=True)

        self._do(change)

    # --- labels ---

    def rename(self, run_id: str, name: str) -> Run:
        """Call it `name`."""
        return self.label(run_id, name=name.strip())

    def label(self, run_id: str, **values: Any) -> Run:
        """Set name, note, tags, pin or archived; raises `WorkbenchError` with every problem."""

        def change() -> Run:
            folder = self.folder(run_id)
            labels.save(labels.changed(folder.labels, **values), folder.labels_file)
            return self._refreshed(run_id)

        return self._do(change)

    # --- checkpoints ---

    def delete_checkpoint(self, run_id: str, name: str) -> Run:
        """Remove one checkpoint; raises `WorkbenchError` when there is none, or while a worker is at the run."""

        def change() -> Run:
            self._idle_folder(run_id).remove_checkpoint(name)
            return self._refreshed(run_id)

        return self._do(change)

    def thin_checkpoints(self, run_id: str, keep: int = 1) -> Run:
        """Remove all but the newest `keep` checkpoints and the one with the best eval loss."""

        def change() -> Run:
            folder = self._idle_folder(run_id)
            for checkpoint in dispensable(self.get(run_id).checkpoints, keep):
                folder.remove_checkpoint(checkpoint.name)
            return self._refreshed(run_id)

        return self._do(change)

    # --- queue ---

    def devices(self) -> tuple[DeviceState, ...]:
        """Every lane with who is at work on it, and the memory that runs can have there."""
        active = [run for run in self.list("is:active is:any") if run.lane]
        return tuple(self._device(lane.name, [run for run in active if run.lane == lane.name]) for lane in self._lanes)

    def _device(self, lane: str, busy: list_of[Run]) -> DeviceState:
        taken = sum(run.process_bytes or 0 for run in busy)
        return DeviceState(
            name=lane,
            runs=tuple(run.id for run in busy),
            bytes=self._room.capacity(lane, taken),
            needed=sum(self.needs(run.id) or 0 for run in busy),
        )

    def needs(self, run_id: str) -> int | None:
        """Bytes that a step of it takes by the estimate; None when its base model's shape is not known."""
        return self._room.needs(self.config(run_id))

    def move(self, run_id: str, place: int) -> QueueState:
        """Put a queued run at `place` in the queue, counted from 0; raises `WorkbenchError` when it does not wait."""

        def change() -> QueueState:
            if run_id not in self._supervisor.waiting.ids():
                raise WorkbenchError(
                    f"“{self.get(run_id).name}” does not wait in the queue.", remedy="Only queued runs can be moved."
                )
            self._supervisor.waiting.move(run_id, place)
            return self._queue_changed()

        return self._do(change)

    def set_queue(self, *, paused: bool | None = None, slots: int | None = None) -> QueueState:
        """Pause the queue or let it go on; let so many runs share a device. What runs goes on either way."""

        def change() -> QueueState:
            try:
                self._supervisor.waiting.set(paused=paused, slots=slots)
            except ValidationError as error:
                raise WorkbenchError.of(problems_of(error)) from error
            return self._queue_changed()

        return self._do(change)

    # --- index ---

    def reindex(self) -> int:
        """Make the index again from the folders; returns how many runs there are."""
        return self._supervisor.ask(self._catalogue.rebuild)

    def _do(self, change: Callable[[], T]) -> T:
        """Let the supervisor's thread do it; raises `WorkbenchError` when the disk does not take it."""
        try:
            return self._supervisor.ask(change)
        except OSError as error:
            raise WorkbenchError(
                f"This could not be written under {self._home.path}: {error.strerror or error}.",
                remedy="Free some space there, and see that the folder is writable.",
            ) from error

    def _refreshed(self, run_id: str) -> Run:
        self._catalogue.refresh(run_id)
        return self.get(run_id)

    def _queue_changed(self) -> QueueState:
        self._catalogue.changes += 1
        return self.queue()

    def _idle_folder(self, run_id: str) -> RunFolder:
        folder = self.folder(run_id)
        if self._supervisor.working(run_id):
            raise WorkbenchError(
                "A worker is still at work on this run.", remedy="Stop it, and do this when it has ended."
            )
        return folder

    def _require_saved(self, source: str) -> None:
        """Raise `WorkbenchError` unless that run, or that checkpoint of it, can be started from."""
        run_id, _, checkpoint = source.partition("/")
        folder = self.folder(run_id)
        saved = [found.name for found in folder.checkpoints()]
        if checkpoint and checkpoint not in saved:
            raise WorkbenchError(
                f"“{run_id}” has no checkpoint “{checkpoint}”.", remedy="Choose one that is on the disk."
            )
        if not saved and not folder.adapter.is_dir():
            raise WorkbenchError(
                f"“{self.get(run_id).name}” has saved nothing to go on from.",
                remedy="Start a new run with its settings instead.",
            )


def _sweep(home: Home) -> None:
    """Remove what a crash left of folders that were being made or deleted."""
    for leftover in (*home.runs.glob(".new-*"), *home.runs.glob(".deleted-*")):
        shutil.rmtree(leftover, ignore_errors=True)
