"""`RangeTests`: the server's service over learning-rate range tests, one at a time, in folders laid out as a run's.

A test's process is started, watched and ended like a run's worker, and tells its steps as a run does. Knows no page, no
HTTP and no torch; what a curve says is worked out in `range_curve`.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Failed, StepLogged
from workbench.home import Home
from workbench.records import Record
from workbench.records.runs import Run
from workbench.runs.executor import Executor
from workbench.runs.executors.local import LocalExecutor
from workbench.runs.folder import RunFolder, is_id, new_id
from workbench.runs.history import Worker
from workbench.runs.lanes import DeviceState, Lane, find_lanes
from workbench.runs.lock import locked
from workbench.runs.progress import Progress, advance
from workbench.runs.range_curve import REASON, RULE, Suggestion, judge, smoothed

COMMAND = (sys.executable, "-m", "workbench.training", "--range-test")
KEPT = 5
"""The newest tests that stay on disk."""

Status = Literal["running", "finished", "stopped", "failed"]


class RangeTest(Record):
    """One test as pages and commands show it."""

    id: str
    status: Status
    phase: str = ""
    detail: str = ""
    done: float | None = None
    """Share of the phase that is done, 0 to 1, when known."""
    steps: int = 0
    total_steps: int | None = None
    learning_rates: tuple[float, ...] = ()
    losses: tuple[float | None, ...] = ()
    """Under each rate; None where it was no finite number."""
    smoothed: tuple[float, ...] = ()
    """Of the losses that were finite."""
    suggestion: Suggestion | None = None
    reason: str = ""
    """Why there is no suggestion, once it is over."""
    rule: str = RULE
    rule_reason: str = REASON
    warnings: tuple[str, ...] = ()
    problem: str = ""
    """Why it failed."""
    remedy: str = ""


class Busy(Protocol):
    """What is asked of the runs: who is at work where."""

    def devices(self) -> Sequence[DeviceState]: ...
    def get(self, run_id: str) -> Run: ...


class RangeTests:
    """Range tests of one home; safe to use from several threads."""

    def __init__(
        self, home: Home, runs: Busy, executor: Executor | None = None, lanes: Sequence[Lane] | None = None
    ) -> None:
        self._home = home
        self._runs = runs
        self._executor = executor or LocalExecutor(COMMAND)
        self._lanes = lanes
        self._lock = threading.Lock()
        self._workers: dict[str, Worker] = {}

    def start(self, config: RunConfig) -> RangeTest:
        """Try learning rates for a run of `config`, which the caller has checked.

        Raises `WorkbenchError` while another test goes on, or while a run is at work on every device.
        """
        with self._lock:
            self._require_none()
            environment = self._free_device()
            try:
                folder = self._create(config)
                self._workers[folder.id] = self._executor.start(folder, environment)
            except OSError as error:
                raise WorkbenchError(
                    f"The search could not be started under {self._home.range_tests}: {error.strerror or error}.",
                    remedy="Free some space there, and see that the folder is writable.",
                ) from error
            self._forget_old()
        return self.get(folder.id)

    def get(self, test_id: str) -> RangeTest:
        """How a test stands; raises `WorkbenchError` when there is none of that id."""
        folder = self._folder(test_id)
        alive = self._alive(folder)  # asked first: what it said last is then on the disk
        return _state(folder, alive)

    def list(self) -> Sequence[RangeTest]:
        """Every test that is kept, the newest first."""
        return [self.get(path.name) for path in self._paths()]

    def stop(self, test_id: str) -> RangeTest:
        """Ask a test to end; one that was asked before is ended this instant."""
        folder = self._folder(test_id)
        worker = self._workers.get(test_id)
        if self._alive(folder):
            if worker is not None and folder.stop_requested():
                self._executor.signal(worker, "SIGKILL")
            folder.request_stop()
        return self.get(test_id)

    def make_way(self) -> None:
        """A run is about to begin: a test that goes on ends, so that both need not share the device."""
        for path in self._paths()[:1]:
            self.stop(path.name)

    def _require_none(self) -> None:
        if any(self._alive(RunFolder(path)) for path in self._paths()):
            raise WorkbenchError(
                "A search for a learning rate is going on already.", remedy="Wait for it to end, or stop it first."
            )

    def _free_device(self) -> Mapping[str, str]:
        """What the worker's environment must say to find a device that no run is at work on."""
        busy = {device.name: device.runs for device in self._runs.devices()}
        lanes = tuple(find_lanes() if self._lanes is None else self._lanes)
        free = next((lane for lane in lanes if not busy.get(lane.name)), None)
        if free is not None:
            return free.environment
        name = self._runs.get(busy[lanes[0].name][0]).name
        raise WorkbenchError(
            f"“{name}” is training on this device; a search beside it would slow both down and find nothing sound.",
            remedy="Wait for the run to end, or stop it first.",
        )

    def _create(self, config: RunConfig) -> RunFolder:
        folder = RunFolder(self._home.range_tests / new_id())
        for inner in (folder.path, folder.events_dir, folder.checkpoints_dir):
            inner.mkdir()
        config_file.save(config, folder.config_file)
        return folder

    def _forget_old(self) -> None:
        for path in self._paths()[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)

    def _paths(self) -> Sequence[Path]:
        """Of every test, the newest first; a config is written once, when its test begins."""
        configs = [path / "config.yaml" for path in self._home.range_tests.iterdir() if is_id(path.name)]
        begun = sorted((path.stat().st_mtime_ns, path) for path in configs if path.is_file())
        return [path.parent for _, path in reversed(begun)]

    def _folder(self, test_id: str) -> RunFolder:
        path = self._home.range_tests / test_id if is_id(test_id) else None
        if path is None or not (path / "config.yaml").is_file():
            raise WorkbenchError(f"There is no range test “{test_id}”.", remedy="Start a new one.")
        return RunFolder(path)

    def _alive(self, folder: RunFolder) -> bool:
        """One that another server started is known by the lock it holds."""
        worker = self._workers.get(folder.id)
        return self._executor.alive(worker) if worker is not None else locked(folder)


def _state(folder: RunFolder, alive: bool) -> RangeTest:
    progress, steps = Progress(), []
    for event in folder.events():
        progress = advance(progress, event)
        if isinstance(event, StepLogged):
            steps.append(event)
    rates = tuple(step.learning_rate for step in steps)
    losses = tuple(step.loss for step in steps)
    finite = [(step.learning_rate, step.loss) for step in steps if step.loss is not None]
    found = RangeTest(
        id=folder.id,
        status=_status(progress, alive),
        phase=progress.phase.value if progress.phase else "",
        detail=progress.phase_detail,
        done=progress.phase_done,
        steps=len(steps),
        total_steps=progress.started.total_steps if progress.started else None,
        learning_rates=rates,
        losses=losses,
        smoothed=tuple(smoothed([rate for rate, _ in finite], [loss for _, loss in finite])),
        warnings=progress.warnings,
    )
    return found.model_copy(update=_outcome(found, progress, folder))


def _status(progress: Progress, alive: bool) -> Status:
    if isinstance(progress.ending, Failed):
        return "failed"
    if progress.ending is not None:
        return "stopped" if progress.ending.stopped else "finished"
    return "running" if alive else "failed"


def _outcome(test: RangeTest, progress: Progress, folder: RunFolder) -> dict[str, object]:
    """What it came to, once it is over."""
    if test.status == "running":
        return {}
    if isinstance(progress.ending, Failed):
        return {"problem": progress.ending.message, "remedy": progress.ending.remedy}
    if test.status == "failed":
        last = folder.log_tail(1).strip()
        return {
            "problem": f"Its process ended without a word{f': {last}' if last else ''}.",
            "remedy": "Look at its log, or try again with a smaller batch.",
        }
    losses = [math.nan if loss is None else loss for loss in test.losses]
    verdict = judge(test.learning_rates, losses, complete=test.status == "finished")
    return {"suggestion": verdict.suggestion, "reason": verdict.reason}
