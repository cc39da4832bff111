"""The index: a SQLite cache of the run folders, for lists, searches and plots. The only file with SQL in it.

One connection writes, used by one thread at a time; readers open their own, read-only, and in WAL mode neither waits
for the other. (Several writing connections would meet the WAL-reset race of SQLite before 3.51.3.) Whatever is in it
can be made again from the folders, so a damaged file is thrown away and not repaired.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

from workbench.events import Answered, Evaluated, Event, RanksMoved, Resumed, StepLogged
from workbench.records import Record
from workbench.records.runs import (
    Checkpoint,
    EvaluationColumns,
    MetricsDelta,
    RankState,
    Run,
    SampleAnswer,
    StepColumns,
)
from workbench.runs.events_log import Place
from workbench.runs.migrations import MIGRATIONS
from workbench.runs.progress import Progress

_STEP = tuple(StepColumns.model_fields)
_EVALUATION = tuple(EvaluationColumns.model_fields)
_ANSWER = tuple(SampleAnswer.model_fields)
_RANKS = tuple(RankState.model_fields)
_TABLES: tuple[tuple[str, tuple[str, ...], type[Event]], ...] = (
    ("steps", _STEP, StepLogged),
    ("evaluations", _EVALUATION, Evaluated),
    ("answers", _ANSWER, Answered),
    ("ranks", _RANKS, RanksMoved),
)
"""What is kept of a run's events: the table, its columns, and the event that is a row of it."""


class Folded(Record):
    """How far a run's folder is in the index."""

    progress: Progress = Progress()
    place: Place = Place()
    signature: str = ""
    """Sizes and times of the files that the server writes, as they were."""


_SHAPE = (
    crc32(" ".join(name for kind in (Run, Checkpoint, Progress, Folded) for name in kind.model_fields).encode()) >> 1
)
"""Of the records that are kept as JSON: an index that holds others is made anew."""


class Index:
    """`open` it before anything is written; reading needs no opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: sqlite3.Connection | None = None
        self._inode: int | None = None

    # --- the one writer ---

    def open(self) -> bool:
        """Make ready for writing; returns False when it had to be made anew, so that it is to be filled."""
        try:
            known = self._connect()
        except sqlite3.DatabaseError:
            known = False
        if not known:
            self.discard()
            self._connect()
        self._inode = self.path.stat().st_ino
        return known

    def close(self) -> None:
        """Nothing is written after it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def discard(self) -> None:
        """Throw the file away; it is to be opened, and filled, again."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def lost(self) -> bool:
        """Whether the file was deleted or replaced under the open writer."""
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    @contextmanager
    def together(self) -> Iterator[None]:
        """Readers see all of what is written within, or nothing of it yet."""
        with self._writing():
            yield

    def clear(self) -> None:
        """Drop everything."""
        with self._writing() as connection:
            connection.execute("DELETE FROM runs")

    def put(self, run: Run, folded: Folded, events: Sequence[Event] = ()) -> None:
        """Store `run` as it is after `events`, which follow those stored before."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO runs (id, created, record, folded, seq, resumed) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET created = excluded.created, record = excluded.record, "
                "folded = excluded.folded, seq = excluded.seq, resumed = excluded.resumed",
                (
                    run.id,
                    run.created,
                    run.model_dump_json(),
                    folded.model_dump_json(),
                    folded.progress.seq,
                    folded.progress.resumed,
                ),
            )
            (number,) = connection.execute("SELECT number FROM runs WHERE id = ?", (run.id,)).fetchone()
            for batch in _batches(events):
                _store(connection, number, batch)

    def forget(self, run_id: str) -> None:
        """Drop everything about a run."""
        with self._writing() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def folded(self) -> dict[str, Folded]:
        """How far each run is in here."""
        rows = self._reading_rows("SELECT id, folded FROM runs")
        return {run_id: Folded.model_validate_json(text) for run_id, text in rows}

    # --- any number of readers ---

    def runs(self) -> list[Run]:
        """Every run, the newest first."""
        return [_run(record) for (record,) in self._reading_rows("SELECT record FROM runs ORDER BY created DESC, id")]

    def run(self, run_id: str) -> Run | None:
        """One run."""
        rows = self._reading_rows("SELECT record FROM runs WHERE id = ?", (run_id,))
        return _run(rows[0][0]) if rows else None

    def metrics(self, run_id: str, after: int = 0) -> MetricsDelta | None:
        """What a run logged after the event `after`; everything when what a reader has was superseded since."""
        with self._reading() as connection:
            row = connection.execute("SELECT number, seq, resumed FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                return None
            number, seq, resumed = row
            reset = after > seq or 0 < after < resumed
            since = (number, 0 if reset else after)
            steps, evaluations, answers, ranks = (
                connection.execute(
                    f"SELECT {', '.join(names)} FROM {table} WHERE run = ? AND seq > ? ORDER BY seq", since
                ).fetchall()
                for table, names, _ in _TABLES
            )
        return MetricsDelta(
            run=run_id,
            cursor=seq,
            reset=reset,
            steps=StepColumns.model_construct(None, **_columns(_STEP, steps)),
            evaluations=EvaluationColumns.model_construct(None, **_columns(_EVALUATION, evaluations)),
            answers=tuple(SampleAnswer(**dict(zip(_ANSWER, row, strict=True))) for row in answers),
            ranks=tuple(RankState(**dict(zip(_RANKS, row, strict=True))) for row in ranks),
        )

    # --- connections ---

    def _connect(self) -> bool:
        """Open the writer and bring the schema up to date; returns False when the file is new or not to be trusted."""
        self.close()
        self._writer = connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return False
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) WITHOUT ROWID")
        done = {name for (name,) in connection.execute("SELECT name FROM migrations")}
        (shape,) = connection.execute("PRAGMA user_version").fetchone()
        if done - MIGRATIONS.keys() or shape not in (0, _SHAPE):
            return False  # another workbench wrote it
        for name, statements in MIGRATIONS.items():
            if name not in done:
                with self._writing():
                    for statement in statements:
                        connection.execute(statement)
                    connection.execute("INSERT INTO migrations (name) VALUES (?)", (name,))
        connection.execute(f"PRAGMA user_version = {_SHAPE}")
        return bool(done)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all of it or nothing; within another it is a part of that one."""
        assert self._writer is not None, "the index is not open"
        if self._writer.in_transaction:
            yield self._writer
            return
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
        except BaseException:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view, in a connection of its own that cannot write."""
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield connection

    def _reading_rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(query, values).fetchall()


@lru_cache(maxsize=4096)
def _run(record: str) -> Run:
    """Records are frozen, and most runs do not change between two looks at a list."""
    return Run.model_validate_json(record)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


def _batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """`events`, cut before each that supersedes earlier ones."""
    batch: list[Event] = []
    for event in events:
        if isinstance(event, Resumed) and batch:
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch


def _store(connection: sqlite3.Connection, number: int, events: Sequence[Event]) -> None:
    """Add what a batch tells, after dropping what its first event supersedes."""
    for table, names, kind in _TABLES:
        if isinstance(events[0], Resumed):
            connection.execute(f"DELETE FROM {table} WHERE run = ? AND step > ?", (number, events[0].step))
        _insert(connection, table, names, number, [event for event in events if isinstance(event, kind)])


def _insert(
    connection: sqlite3.Connection, table: str, names: Sequence[str], number: int, events: Sequence[Event]
) -> None:
    marks = ", ".join("?" * (len(names) + 1))
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} (run, {', '.join(names)}) VALUES ({marks})",
        [(number, *(getattr(event, name) for name in names)) for event in events],
    )
