"""One worker a run: a lock in the run's folder that dies with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.runs.folder import RunFolder


PATIENCE = 2.0
"""Seconds; whoever merely looks whether the lock is held holds it for a moment."""


@contextmanager
def run_lock(folder: RunFolder) -> Iterator[None]:
    """Held by the run's worker from its first moment to its last; raises `WorkbenchError` when another holds it."""
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise WorkbenchError(
            f"Another worker is already at work on run {folder.id}.", remedy="Wait for it to end, or stop it first."
        ) from None
    try:
        yield
    finally:
        lock.release()


def locked(folder: RunFolder) -> bool:
    """Whether a worker holds the run's lock at this moment."""
    if not folder.lock.exists():
        return False
    try:
        with FileLock(folder.lock, timeout=0):
            return False
    except Timeout:
        return True
