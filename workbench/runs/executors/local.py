"""Workers as processes of this machine, each in a session of its own, so that no end of the server reaches them."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil

from workbench.runs.executor import EXECUTORS, SignalName
from workbench.runs.folder import RunFolder
from workbench.runs.history import Worker
from workbench.runs.process import lives, mark_of, same_boot

BELONGS = "WORKBENCH_RUN"
"""In the environment of a worker and of whatever it starts: tells them from a session that got the same number."""
_REAPING_SECONDS = 5.0
"""A process whose first thread is dead tells how it ended only when its other threads are gone as well."""
COMMAND = (sys.executable, "-m", "workbench.training")


@EXECUTORS.add("local")
class LocalExecutor:
    """`command` is called with the run's folder as its last argument."""

    kind = "local"

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._exit_codes: dict[str, int] = {}

    def start(self, folder: RunFolder, environment: Mapping[str, str]) -> Worker:
        with folder.log.open("ab") as log:
            child = subprocess.Popen(
                [*self._command, str(folder.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1", BELONGS: folder.id},
            )
        self._children[child.pid] = child
        mark = mark_of(child.pid) or "gone"  # one that ended at once is a zombie by now: alive() reaps it
        return Worker(executor=self.kind, pid=child.pid, mark=mark, host=platform.node())

    def alive(self, worker: Worker) -> bool:
        living = lives(worker.pid, worker.mark)
        child = self._children.get(worker.pid)
        if child is not None:
            if not living:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_REAPING_SECONDS)
            if child.poll() is not None:
                self._exit_codes[worker.mark] = child.returncode
                del self._children[worker.pid]
        return living

    def exit_code(self, worker: Worker) -> int | None:
        return self._exit_codes.get(worker.mark)

    def signal(self, worker: Worker, name: SignalName) -> None:
        if name == "SIGKILL":
            for process in _session(worker):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        elif lives(worker.pid, worker.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)


def _session(worker: Worker) -> list[psutil.Process]:
    """The worker and what it started, also when it is gone itself; never a process that is not of its making."""
    if not same_boot(worker.mark) or (psutil.pid_exists(worker.pid) and mark_of(worker.pid) not in (worker.mark, None)):
        return []
    return [process for process in psutil.process_iter() if _is_of(process, worker)]


def _is_of(process: psutil.Process, worker: Worker) -> bool:
    try:
        if os.getsid(process.pid) != worker.pid:
            return False
        return process.pid == worker.pid or BELONGS in process.environ()
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False
