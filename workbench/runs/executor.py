"""What it takes to run workers somewhere: four calls. One file an executor in ``executors/``.

An executor on another machine needs a folder that both sides see, and the same worker command; nothing else crosses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from workbench.registry import Registry
from workbench.runs.folder import RunFolder
from workbench.runs.history import Worker

SignalName = Literal["SIGTERM", "SIGKILL"]


class Executor(Protocol):
    """Starts workers and finds them again, also those that an earlier server started."""

    def start(self, folder: RunFolder, environment: Mapping[str, str]) -> Worker:
        """Start the worker of `folder`, which outlives this process, on the device that `environment` names.

        Raises `OSError` when it cannot be started.
        """

    def alive(self, worker: Worker) -> bool:
        """Whether that very worker still exists, running or suspended; reaps it when it is this process's child."""

    def exit_code(self, worker: Worker) -> int | None:
        """How it ended, negative for a signal; None when that cannot be known."""

    def signal(self, worker: Worker, name: SignalName) -> None:
        """Send it a signal; nothing happens when it is gone. SIGKILL takes whatever it started along."""


EXECUTORS: Registry[Executor] = Registry("workbench.runs.executors", "executor")
