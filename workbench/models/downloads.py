"""Downloads of base models that a user asked for: one thread each, with a progress to look at and a way to stop.

What was fetched of a file when a download is stopped stays as the hub client's own partial file: the next attempt goes
on there, and nothing takes it for a model meanwhile.
"""

from __future__ import annotations

import threading
from enum import StrEnum

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.source import open_source
from workbench.records import Record


class DownloadPhase(StrEnum):
    """Where a download stands."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Download(Record):
    """One download as pages show it."""

    reference: str
    phase: DownloadPhase
    detail: str = ""
    done: float | None = None
    """Share of the bytes, 0 to 1, once it is known."""
    problem: str = ""
    remedy: str = ""


class _StoppedError(Exception):
    """Ends the hub client's threads from within its progress report."""


class Downloads:
    """All downloads since the server started; safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._known: dict[str, Download] = {}
        self._stopping: set[str] = set()

    def start(self, reference: str) -> Download:
        """Begin, or go on with, the download of a base model; one that runs already is only told of.

        Raises `WorkbenchError` for a malformed reference.
        """
        source = open_source(reference, self._home)
        with self._lock:
            known = self._known.get(reference)
            if known is not None and known.phase is DownloadPhase.RUNNING:
                return known
            self._stopping.discard(reference)
            self._known[reference] = Download(reference=reference, phase=DownloadPhase.RUNNING, detail="starting")
        threading.Thread(target=self._fetch, args=(source.reference,), daemon=True).start()
        return self._known[reference]

    def stop(self, reference: str) -> None:
        """Ask the download to end; what it has fetched is kept for the next attempt."""
        with self._lock:
            self._stopping.add(reference)

    def all(self) -> list[Download]:
        """The latest attempt for each reference, in the order in which they began."""
        with self._lock:
            return list(self._known.values())

    def _fetch(self, reference: str) -> None:
        def progress(detail: str, done: float | None = None) -> None:
            if reference in self._stopping:
                raise _StoppedError
            self._set(Download(reference=reference, phase=DownloadPhase.RUNNING, detail=detail, done=done))

        try:
            open_source(reference, self._home).fetch(progress)
            ended = Download(reference=reference, phase=DownloadPhase.FINISHED, done=1.0)
        except _StoppedError:
            ended = Download(reference=reference, phase=DownloadPhase.STOPPED, detail="what was fetched is kept")
        except WorkbenchError as error:
            ended = Download(
                reference=reference, phase=DownloadPhase.FAILED, problem=error.message, remedy=error.remedy
            )
        self._set(ended)

    def _set(self, state: Download) -> None:
        with self._lock:
            self._known[state.reference] = state
