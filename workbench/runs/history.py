"""``supervisor.jsonl``: what the server did with a run, and why. The server alone writes it.

It is read together with the worker's events: an entry that begins an attempt names the last event before it, so that
the two files can be put in order without trusting any clock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from workbench.records import Record


class Worker(Record):
    """A worker that was started: enough to find it again after a restart of the server."""

    executor: str
    """The kind of the executor that started it: ``local``."""
    pid: int
    mark: str
    """Tells it from another process that got the same pid; see ``workbench.runs.process``."""
    host: str


class EntryBase(Record):
    time: float
    """Unix time."""


class Queued(EntryBase):
    type: Literal["queued"] = "queued"
    continues: str | None = None
    """The run whose newest checkpoint this one starts from; only in a run's first entry."""


class Launched(EntryBase):
    type: Literal["launched"] = "launched"
    worker: Worker
    after: int
    """Sequence number of the last event before this attempt."""
    lane: str = "cpu"
    """The device it was started on; see ``workbench.runs.lanes``."""


class StopAsked(EntryBase):
    type: Literal["stop_asked"] = "stop_asked"


class Cancelled(EntryBase):
    """Taken out of the queue before a worker began, or ended without being asked to save."""

    type: Literal["cancelled"] = "cancelled"


class Signalled(EntryBase):
    """The supervisor sent a signal to a worker that should long have ended."""

    type: Literal["signalled"] = "signalled"
    signal: Literal["SIGTERM", "SIGKILL"]
    message: str


class Interrupted(EntryBase):
    """The worker is gone and did not say goodbye."""

    type: Literal["interrupted"] = "interrupted"
    message: str
    remedy: str
    log_tail: str = ""


Entry = Queued | Launched | StopAsked | Cancelled | Signalled | Interrupted
ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])


def read(path: Path) -> tuple[Entry, ...]:
    """Every whole entry at `path`, in order; what a crash cut off is passed over."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    entries = []
    for line in lines:
        try:
            entries.append(ENTRY.validate_json(line))
        except ValidationError:
            continue
    return tuple(entries)


def append(path: Path, entry: Entry) -> None:
    """Add `entry` and bring it to the disk. A line that a crash cut off before is ended first."""
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(ENTRY.dump_json(entry) + b"\n")
        file.flush()
        os.fsync(file.fileno())
