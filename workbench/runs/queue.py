"""The queue: which runs wait, in which order, whether it is paused, and how many may run on one device.

It is the file ``queue.txt``: run ids, one a line, below comment lines with its settings. Written by the supervisor's
thread, by nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from workbench.records import Record
from workbench.runs.durable import write_whole


class QueueState(Record):
    """The queue as it stands."""

    ids: tuple[str, ...] = ()
    """Of the runs that wait, the next to start first."""
    paused: bool = False
    """Nothing is started; what runs goes on."""
    slots: int = Field(1, ge=1, le=16)
    """Runs at once on one device, when whoever runs this machine says that they fit."""


class Queue:
    """A list that is a file; every change has reached the disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self) -> QueueState:
        """What the file says; what cannot be read there counts as not said."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return QueueState()
        words = [line.removeprefix("#").split() for line in lines if line.startswith("#")]
        slots = next((int(word[1]) for word in words if word[:1] == ["slots"] and word[1:2] and word[1].isdigit()), 1)
        return QueueState(
            ids=_once(line.strip() for line in lines if not line.startswith("#")),
            paused=["paused"] in words,
            slots=min(max(slots, 1), 16),
        )

    def ids(self) -> tuple[str, ...]:
        """The run ids, the next to start first."""
        return self.state().ids

    def add(self, run_id: str) -> None:
        """Put a run at the end, unless it is in already."""
        self.arrange((*self.ids(), run_id))

    def remove(self, run_id: str) -> None:
        """Take a run out."""
        self.arrange(other for other in self.ids() if other != run_id)

    def move(self, run_id: str, place: int) -> None:
        """Put a run that waits at `place`, counted from 0; beyond the end means last."""
        others = [other for other in self.ids() if other != run_id]
        others.insert(max(0, place), run_id)
        self.arrange(others)

    def reconcile(self, queued: Sequence[str]) -> None:
        """Hold exactly `queued`: those known keep their order, the others follow in theirs."""
        self.arrange([run_id for run_id in self.ids() if run_id in queued] + list(queued))

    def arrange(self, ids: Iterable[str]) -> None:
        """Hold exactly `ids`, in that order."""
        self._write(self.state().model_copy(update={"ids": _once(ids)}))

    def set(self, *, paused: bool | None = None, slots: int | None = None) -> None:
        """Change a setting; raises pydantic's error for a number that is out of bounds."""
        told = {"paused": paused, "slots": slots}
        changes = {name: value for name, value in told.items() if value is not None}
        self._write(QueueState.model_validate({**self.state().model_dump(), **changes}))

    def _write(self, state: QueueState) -> None:
        if state == self.state():
            return
        settings = ["# paused"] * state.paused + [f"# slots {state.slots}"] * (state.slots != 1)
        write_whole(self._path, "".join(f"{line}\n" for line in [*settings, *state.ids]), durable=True)


def _once(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run_id for run_id in ids if run_id))
