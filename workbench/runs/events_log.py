"""A run's ``events/``: numbered shards of JSON lines that only ever grow.

The worker appends through `EventWriter`; everybody else reads, from the start with `read_events` or from where they
stopped with `read_from`. Each attempt opens a shard of its own, so a line that a crash cut in the middle stays the
last of its shard and nothing is ever appended to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.events import (
    EVENT,
    CheckpointRemoved,
    CheckpointSaved,
    Event,
    Failed,
    Finished,
    Resumed,
    Started,
)
from workbench.records import Record

if TYPE_CHECKING:
    from workbench.runs.folder import RunFolder

SHARD_BYTES = 8 * 2**20
"""A shard that has grown beyond this is followed by another."""
RESERVE_BYTES = 64 * 2**10
"""Kept free for a run's last words: given up when the disk is full."""
_IMPORTANT = (Started, Resumed, CheckpointSaved, CheckpointRemoved, Finished, Failed)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Place(Record):
    """How far somebody has read."""

    shard: int = 0
    offset: int = 0
    """Bytes of that shard."""


def shards(folder: Path) -> list[Path]:
    """The shards in `folder`, in order."""
    return sorted(folder.glob("[0-9]*.jsonl"), key=_number)


def _number(shard: Path) -> int:
    return int(shard.stem) if shard.stem.isdigit() else -1


def read_events(folder: Path, after: int = 0) -> Iterator[Event]:
    """The events in `folder` whose seq is beyond `after`, in the order they were written."""
    for shard in shards(folder):
        with shard.open("rb") as file:
            for line in file:
                event = _parsed(line)
                if event is not None and event.seq > after:
                    yield event


def read_from(folder: Path, place: Place, limit: int = 20_000) -> tuple[list[Event], Place]:
    """At most about `limit` whole events beyond `place`, and the place to go on from."""
    events: list[Event] = []
    found = [
        (_number(shard), shard) for shard in shards(folder)
    ]  # listed before any is read: all but the last are whole
    for number, shard in found:
        if number < place.shard:
            continue
        offset = place.offset if number == place.shard else 0
        offset += _read_shard(shard, offset, limit - len(events), events)
        place = Place(shard=number, offset=offset)
        if len(events) >= limit:
            break
    return events, place


def _read_shard(shard: Path, offset: int, limit: int, into: list[Event]) -> int:
    """Append the shard's whole events beyond `offset` to `into`; returns the bytes they took."""
    taken, room = 0, limit
    with shard.open("rb") as file:
        file.seek(offset)
        for line in file:
            if room <= 0 or not line.endswith(b"\n"):
                break
            taken += len(line)
            event = _parsed(line)
            if event is not None:
                into.append(event)
                room -= 1
    return taken


def _parsed(line: bytes) -> Event | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return EVENT.validate_json(line)
    except ValidationError:
        return None


class EventWriter:
    """The worker's end. Every line goes straight to the kernel, so no kill loses it; what matters is synced too."""

    def __init__(self, folder: RunFolder, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder.events_dir
        self._folder.mkdir(parents=True, exist_ok=True)
        self._shard_bytes = shard_bytes
        self._seq = max((event.seq for event in _last_events(self._folder)), default=0)
        self._file: BinaryIO | None = None
        self._size = 0
        self._reserve = self._folder / ".reserve"
        with contextlib.suppress(OSError):
            self._reserve.write_bytes(b"\0" * RESERVE_BYTES)

    def write(self, event: Event) -> Event:
        """Append `event` with the next seq and the time, and return it so.

        Raises `WorkbenchError` when the disk is full; nothing of the line is then left behind.
        """
        whole = event.model_copy(update={"seq": self._seq + 1, "time": time.time()})
        line = EVENT.dump_json(whole) + b"\n"
        try:
            self._append(line, durable=isinstance(event, _IMPORTANT))
        except OSError as error:
            if error.errno not in _FULL:
                raise
            if not isinstance(event, Finished | Failed):
                raise WorkbenchError(
                    "The disk is full: the run's events cannot be written.",
                    remedy="Free some space under the workbench home, then resume the run.",
                ) from error
            self._use_reserve(line)
        self._seq += 1
        return whole

    def close(self) -> None:
        """No event comes after it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._reserve.unlink(missing_ok=True)

    def _append(self, line: bytes, *, durable: bool) -> None:
        file = self._shard()
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(self._size)
            raise
        self._size += len(line)
        if durable:
            os.fsync(file.fileno())

    def _shard(self) -> BinaryIO:
        """The open shard; a new one at the start of an attempt and whenever one has grown large."""
        if self._file is None or self._size >= self._shard_bytes:
            if self._file is not None:
                self._file.close()
            number = max(map(_number, shards(self._folder)), default=0) + 1
            self._file = (self._folder / f"{number:06d}.jsonl").open("xb", buffering=0)
            self._size = 0
        return self._file

    def _use_reserve(self, line: bytes) -> None:
        """Write a run's last words into the room that was kept for them, in a shard of their own."""
        self._reserve.unlink(missing_ok=True)
        self._size = self._shard_bytes
        self._append(line, durable=True)


def _last_events(folder: Path) -> list[Event]:
    """The events of the newest shard that holds any."""
    for shard in reversed(shards(folder)):
        with shard.open("rb") as file:
            events = [event for event in map(_parsed, file) if event is not None]
        if events:
            return events
    return []
