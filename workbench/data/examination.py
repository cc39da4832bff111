"""A file read once from front to back: every row as a conversation, every fault with its line.

Streams: what is found goes to the caller's two functions at once, and only counts and the first faults of each kind
are kept. Knows no library and no disk but the one file.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from workbench.data.files import FileRefused, NumberedRow, OpenFile, open_file
from workbench.data.survey import Statistics, Survey
from workbench.errors import Problem, WorkbenchError
from workbench.formats import FORMATS, Format, Reading, columns_of, guess
from workbench.formats.wording import error
from workbench.records import Record
from workbench.records.datasets import RowProblem

GUESSED_FROM = 100
_KEPT_A_KIND = 200
_BETWEEN_PROGRESS = 2_000
_BETWEEN_COLLECTIONS = 100_000

Progress = Callable[[float], None]
"""Takes the share of the file that was read, 0 to 1."""


class Report(Record):
    """What a file holds, and everything that is wrong with it."""

    format: str | None
    """The kind of its rows; None when the file cannot be used at all."""
    reason: str
    """By what the format was recognised."""
    rows: int
    """Rows that can be trained on."""
    refused: int
    """Rows that cannot."""
    bytes: int
    counts: dict[str, int]
    """How often each kind of problem was found, in the whole file."""
    problems: tuple[RowProblem, ...]
    """The first of each kind, by line."""

    kind: str = ""
    """Of the file: json lines, json list, csv, tsv or parquet."""
    unit: Literal["line", "row"] = "line"
    """What the problems' numbers count."""
    statistics: Statistics | None = None
    """What the usable rows are like; None when there are none."""

    @property
    def clean(self) -> bool:
        """Whether the file and every row in it can be used."""
        return self.rows > 0 and self.refused == 0

    def refusal(self) -> WorkbenchError:
        """The error that says why nothing in the file can be used."""
        grave = [problem for problem in self.problems if problem.severity == "error"]
        return WorkbenchError.of(
            Problem(found.message, found.remedy, line=found.line, field="data.dataset") for found in grave[:50]
        )


def examine(
    path: Path,
    layout: Format | None = None,
    *,
    name: str = "",
    on_row: Callable[[Reading], None] = lambda row: None,
    on_problem: Callable[[RowProblem], None] = lambda problem: None,
    progress: Progress = lambda done: None,
) -> Report:
    """Read the file at `path` whole, as `layout` or as what its rows are recognised as.

    `name` is what the user calls it, a hint to its kind. Raises `OSError` only.
    """
    tally = _Tally(on_row, on_problem)
    try:
        with open_file(path, name or path.name, tally.note) as file, _rare_collections():
            tally.opened(file)
            head = list(islice(file.rows, GUESSED_FROM))
            chosen = layout or _recognise(head, tally)
            if chosen is None:
                tally.refused += len(head)
            else:
                tally.format = chosen.kind
                _read_rows(chosen, chain(head, file.rows), tally, lambda: progress(file.position() / file.bytes))
    except FileRefused as refused:
        tally.note(refused.problem)
    return tally.report(path.stat().st_size)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cycles less often: rows come and go by the million, and hold none."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_BETWEEN_COLLECTIONS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class _Tally:
    """Counts what was found, and keeps the first of each kind."""

    def __init__(self, on_row: Callable[[Reading], None], on_problem: Callable[[RowProblem], None]) -> None:
        self.refused = 0
        self.format: str | None = None
        self.reason = ""
        self._file: OpenFile | None = None
        self._survey = Survey()
        self._add = self._survey.add
        self._on_row = on_row
        self._on_problem = on_problem
        self._counts: Counter[str] = Counter()
        self._kept: list[RowProblem] = []

    def opened(self, file: OpenFile) -> None:
        self._file = file

    def note(self, problem: RowProblem) -> None:
        self._counts[problem.kind] += 1
        if self._counts[problem.kind] <= _KEPT_A_KIND:
            self._kept.append(problem)
        self._on_problem(problem)

    def refuse(self, problem: RowProblem) -> None:
        self.refused += 1
        self.note(problem)

    def use(self, row: Reading) -> None:
        repeat = self._add(row)
        if repeat:
            self.note(repeat)
        self._on_row(row)

    def report(self, size: int) -> Report:
        rows = self._survey.rows
        if not rows and not any(problem.severity == "error" for problem in self._kept):
            self.note(error(None, "no-rows", "The file holds no row.", "Choose a file with rows in it."))
        return Report(
            format=self.format if rows else None,
            reason=self.reason,
            rows=rows,
            refused=self.refused,
            bytes=size,
            counts=dict(self._counts),
            problems=tuple(sorted(self._kept, key=lambda problem: problem.line or 0)),
            kind=self._file.kind if self._file else "",
            unit=self._file.unit if self._file else "line",
            statistics=self._survey.statistics() if rows else None,
        )


def _recognise(head: list[NumberedRow], tally: _Tally) -> Format | None:
    rows = [found.row for found in head if isinstance(found.row, dict)]
    best = guess(rows)
    if best is not None:
        tally.reason = best.reason
        return FORMATS.get(best.kind)()
    if head and not rows:
        tally.note(
            error(None, "not-rows", "The file holds no JSON lines and no table.", "Choose a file with rows in it.")
        )
    for found in head:
        if isinstance(found.row, RowProblem):
            tally.note(found.row)
    if rows:
        known = "; ".join(f"{entry.title} ({entry.example})" for entry in FORMATS)
        tally.note(
            error(
                next(found.line for found in head if isinstance(found.row, dict)),
                "unknown-format",
                f"No format is known for rows that have {columns_of(rows[0])}.",
                f"Say which column is which, or rename them to those of one that is understood: {known}.",
                rows[0],
            )
        )
    return None


def _read_rows(layout: Format, rows: Iterable[NumberedRow], tally: _Tally, progress: Callable[[], None]) -> None:
    read, use = layout.read, tally.use
    for count, (line, row, printable) in enumerate(rows):
        if not count % _BETWEEN_PROGRESS:
            progress()
        if isinstance(row, RowProblem):
            tally.refuse(row)
            continue
        reading = read(row, line, printable)
        for problem in reading.problems:
            tally.note(problem)
        if reading.said or reading.text is not None:
            use(reading)
        else:
            tally.refused += 1
