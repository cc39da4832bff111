"""The order in which queued runs start: run ids in ``queue.txt``, one a line. Written by the supervisor's thread."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.runs.durable import write_whole


class Queue:
    """A list that is a file; every change has reached the disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ids(self) -> tuple[str, ...]:
        """The run ids, the next to start first."""
        try:
            lines = self._path.read_text(encoding="utf-8").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return ()
        return tuple(dict.fromkeys(lines))

    def add(self, run_id: str) -> None:
        """Put a run at the end, unless it is in already."""
        self._write((*self.ids(), run_id))

    def remove(self, run_id: str) -> None:
        """Take a run out."""
        self._write(other for other in self.ids() if other != run_id)

    def reconcile(self, queued: Iterable[str]) -> None:
        """Hold exactly `queued`: those known keep their order, the others follow in theirs."""
        wanted = tuple(queued)
        self._write([run_id for run_id in self.ids() if run_id in wanted] + list(wanted))

    def _write(self, ids: Iterable[str]) -> None:
        lines = tuple(dict.fromkeys(ids))
        if lines != self.ids():
            write_whole(self._path, "".join(f"{run_id}\n" for run_id in lines), durable=True)
