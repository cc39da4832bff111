"""What tests of runs share: the fake worker's executor, short patience, and waiting for what must come."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from workbench.config import RunConfig
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs
from workbench.runs.executors.local import LocalExecutor
from workbench.runs.watch import Patience

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
OVER = tuple(status for status in RunStatus if status.over)
IMPATIENT = Patience(tick=0.05, scan=0.2, stalled=0.6, stop=1.5, saving=2.0, farewell=0.7)


def executor() -> LocalExecutor:
    return LocalExecutor(FAKE_WORKER)


def fake_config(behaviour: str) -> RunConfig:
    return RunConfig.parse({"name": behaviour, "training": {"max_steps": 1000}})


def wait_for(runs: Runs, run_id: str, *statuses: RunStatus, seconds: float = 20) -> Run:
    return wait_until(runs, run_id, lambda run: run.status in statuses, seconds)


def wait_until(runs: Runs, run_id: str, reached: Callable[[Run], bool], seconds: float = 20) -> Run:
    deadline = time.monotonic() + seconds
    while not reached(run := runs.get(run_id)):
        assert time.monotonic() < deadline, f"still {run.status}: {run!r}\n{runs.log(run_id)}"
        time.sleep(0.02)
    return run


def worker_pid(runs: Runs, run_id: str) -> int:
    heart = runs.folder(run_id).heartbeat()
    assert heart is not None
    return heart.pid


def end_workers(runs: Runs) -> None:
    """Kill what a failed test left running."""
    for run in runs.list():
        heart = runs.folder(run.id).heartbeat()
        if heart is not None and psutil.pid_exists(heart.pid) and not run.status.over:
            os.kill(heart.pid, signal.SIGKILL)
