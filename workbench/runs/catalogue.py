"""Keeps the index in step with the run folders: reads what is new in a folder, folds it, stores it.

Used by one thread at a time, the supervisor's. Decides nothing about workers; a folder is read, never written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.events import CheckpointRemoved, CheckpointSaved, Event
from workbench.home import Home
from workbench.records.runs import Checkpoint, Run, RunStatus
from workbench.runs.events_log import read_from, shards
from workbench.runs.folder import RunFolder, is_id
from workbench.runs.history import Entry
from workbench.runs.index import Folded, Index
from workbench.runs.labels import Labels
from workbench.runs.progress import Progress, advance
from workbench.runs.summary import Account, Life, status_of, summarise

NOTHING = Folded()
"""Of a run that was not looked at yet."""
EVENTS_AT_ONCE = 20_000
"""A worker that writes while it is read must not keep the supervisor: what comes later waits for the next look."""


@dataclass(frozen=True)
class Written:
    """What a run's folder holds besides events."""

    signature: str
    labels: Labels
    history: tuple[Entry, ...]
    checkpoints: tuple[Checkpoint, ...]

    @classmethod
    def of(cls, folder: RunFolder, signature: str) -> Written:
        """As it is now."""
        return cls(signature, folder.labels, folder.history, tuple(folder.checkpoints()))


class Catalogue:
    """The folders under a home, and the index over them."""

    def __init__(self, home: Home, index: Index) -> None:
        self._home = home
        self._index = index
        self._folded: dict[str, Folded] = {}
        self._folders: dict[str, RunFolder] = {}
        self._lives: dict[str, Life] = {}
        self._written: dict[str, Written] = {}
        self.changes = 0
        """Counts up with every change of the index."""

    def open(self) -> None:
        """Make the index ready and bring it up to date with every folder."""
        self._index.open()  # one that had to be made anew is empty, and the scan fills it
        self._folded = self._index.folded()
        self.scan()

    def close(self) -> None:
        """Leave the index as it is."""
        self._index.close()

    def rebuild(self, *, damaged: bool = False) -> int:
        """Make the index again from the folders; returns how many runs there are.

        Readers see the old content until the new is complete, unless the file is `damaged` and thrown away.
        """
        if damaged or self._index.lost():
            self._index.discard()
        self._index.open()
        with self._index.together():
            self._index.clear()
            self._folded.clear()
            self._folders.clear()
            self._written.clear()
            self._refresh_all(self.run_ids())
        return len(self._folded)

    def repair_if_lost(self) -> None:
        """Make the index again if its file was deleted or replaced."""
        if self._index.lost():
            self.rebuild()

    def scan(self) -> int:
        """Bring the index up to date with every folder; returns how many runs there are."""
        with self._index.together():
            self._drop_missing()
            self._refresh_all(self.run_ids())
        return len(self._folded)

    def notice_folders(self) -> set[str]:
        """Take up folders that came from elsewhere, whose ids it returns, and drop those that are gone.

        Cheap however many there are.
        """
        self._drop_missing()
        before = set(self._folded)
        self._refresh_all(set(self.run_ids()) - before)
        return self._folded.keys() - before

    def _drop_missing(self) -> None:
        for run_id in self._folded.keys() - set(self.run_ids()):
            self.forget(run_id)

    def _refresh_all(self, run_ids: Iterable[str]) -> None:
        for run_id in sorted(run_ids):
            with contextlib.suppress(WorkbenchError):  # its config cannot be read: a folder, but no run
                self.refresh(run_id)

    def run_ids(self) -> Iterator[str]:
        """Every folder that can be a run."""
        return (path.name for path in self._home.runs.iterdir() if is_id(path.name) and path.is_dir())

    def folder(self, run_id: str) -> RunFolder:
        """The folder of a run; its config is read once."""
        if run_id not in self._folders:
            self._folders[run_id] = RunFolder(self._home.runs / run_id)
        return self._folders[run_id]

    def progress(self, run_id: str) -> Progress:
        """What the run's events told so far."""
        return self._folded.get(run_id, NOTHING).progress

    def forget(self, run_id: str) -> None:
        """Drop a run from the index."""
        self._index.forget(run_id)
        self._folded.pop(run_id, None)
        self._folders.pop(run_id, None)
        self._lives.pop(run_id, None)
        self._written.pop(run_id, None)
        self.changes += 1

    def refresh(self, run_id: str, life: Life | None = None) -> None:
        """Bring the index up to date with one folder; costs a few stats when nothing is new."""
        folder = self.folder(run_id)
        folded = self._folded.get(run_id, NOTHING)
        if _shrank(folder, folded):
            self._index.forget(run_id)
            self._folded.pop(run_id, None)
            folded = NOTHING
        signature = _signature(folder)
        seen = life or self._lives.get(run_id, Life())
        more = True
        while more:
            events, place = read_from(folder.events_dir, folded.place, EVENTS_AT_ONCE)
            more = len(events) >= EVENTS_AT_ONCE
            known = run_id in self._folded and signature == folded.signature
            if not events and known and seen == self._lives.get(run_id, Life()):
                return
            fresh = [event for event in events if event.seq > folded.progress.seq]
            folded = Folded(progress=_folded(folded.progress, fresh), place=place, signature=signature)
            written = self._read(folder, signature, fresh)
            self._index.put(_summary(folder, written, folded.progress, seen), folded, fresh)
            self._folded[run_id], self._lives[run_id] = folded, seen
            self.changes += 1

    def _read(self, folder: RunFolder, signature: str, fresh: Sequence[Event]) -> Written:
        """What the server's own files and the checkpoints say; read again only when they may have changed."""
        before = self._written.get(folder.id)
        if before is not None and before.signature == signature and not any(map(_touches_checkpoints, fresh)):
            return before
        written = self._written[folder.id] = Written.of(folder, signature)
        return written

    def status(self, run_id: str) -> RunStatus:
        """Where a run stands by what was folded so far."""
        return status_of(self.history(run_id), self.progress(run_id))

    def history(self, run_id: str) -> tuple[Entry, ...]:
        """What the server did with a run, as of the last refresh."""
        written = self._written.get(run_id)
        return written.history if written is not None else self.folder(run_id).history


def read_run(folder: RunFolder) -> Run:
    """A run as its folder tells it, without any index."""
    return _summary(folder, Written.of(folder, ""), _folded(Progress(), folder.events()), Life())


def _summary(folder: RunFolder, written: Written, progress: Progress, life: Life) -> Run:
    return summarise(
        Account(
            run_id=folder.id,
            config=folder.config,
            labels=written.labels,
            history=written.history,
            progress=progress,
            checkpoints=written.checkpoints,
            log_tail=folder.log_tail() if progress.ending is not None else "",
            life=life,
        )
    )


def _touches_checkpoints(event: Event) -> bool:
    return isinstance(event, CheckpointSaved | CheckpointRemoved)


def _folded(progress: Progress, events: Iterable[Event]) -> Progress:
    for event in events:
        progress = advance(progress, event)
    return progress


def _signature(folder: RunFolder) -> str:
    """Changes whenever the server's own files of a run do, or its checkpoints."""
    return " ".join(map(_stamp, (folder.labels_file, folder.history_file, folder.checkpoints_dir)))


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return "-"
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def _shrank(folder: RunFolder, folded: Folded) -> bool:
    """Whether the events that were folded are no longer those of the folder: it was put in another's place."""
    if folded.place.shard == 0:
        return False
    sizes = {shard.stem: shard.stat().st_size for shard in shards(folder.events_dir)}
    return sizes.get(f"{folded.place.shard:06d}", -1) < folded.place.offset
