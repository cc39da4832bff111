"""A file read once from front to back: every row as a conversation, every fault with its line.

Streams: what is found goes to the caller's two functions at once, and only counts and the first faults of each kind
are kept. Knows no library and no disk but the one file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from workbench.data.lines import read_lines
from workbench.data.parsing import parse
from workbench.errors import Problem, WorkbenchError
from workbench.formats import FORMATS, Format, columns_of, guess
from workbench.formats.turns import error, warning
from workbench.records import Conversation, Record, RowProblem

_GUESSED_FROM = 100
_KEPT_A_KIND = 200
_SIGNATURES: dict[bytes, str] = {
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"SQLite format 3": "a SQLite database",
}
_ENCODINGS: dict[bytes, str] = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_BOM = b"\xef\xbb\xbf"

NumberedRow = tuple[int, dict[str, Any] | RowProblem]


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
    format: str | None = None,
    on_row: Callable[[Conversation], None] = lambda row: None,
    on_problem: Callable[[RowProblem], None] = lambda problem: None,
) -> Report:
    """Read the file at `path` whole, as `format` or as what it is recognised as. Raises `OSError` only."""
    tally = _Tally(on_problem)
    size = path.stat().st_size
    kind, reason = format, "chosen"
    with path.open("rb") as file:
        if not _refuse_file(file, tally):
            rows = _numbered_rows(file, tally)
            head = list(islice(rows, _GUESSED_FROM))
            if kind is None:
                kind, reason = _recognise(head, tally)
            if kind is not None:
                _read_rows(FORMATS.get(kind)(), chain(head, rows), tally, on_row)
            elif head:
                tally.refused += len(head)
    return tally.report(kind, reason, size)


class _Tally:
    """Counts what was found, and keeps the first of each kind."""

    def __init__(self, on_problem: Callable[[RowProblem], None]) -> None:
        self.rows = 0
        self.refused = 0
        self._on_problem = on_problem
        self._counts: Counter[str] = Counter()
        self._kept: list[RowProblem] = []

    def note(self, problem: RowProblem) -> None:
        self._counts[problem.kind] += 1
        if self._counts[problem.kind] <= _KEPT_A_KIND:
            self._kept.append(problem)
        self._on_problem(problem)

    def report(self, kind: str | None, reason: str, size: int) -> Report:
        if not self.rows and not any(problem.severity == "error" for problem in self._kept):
            self.note(error(None, "no-rows", "The file holds no row.", "Choose a file with one JSON object a line."))
        return Report(
            format=kind if self.rows else None,
            reason=reason,
            rows=self.rows,
            refused=self.refused,
            bytes=size,
            counts=dict(self._counts),
            problems=tuple(sorted(self._kept, key=lambda problem: problem.line or 0)),
        )


def _refuse_file(file: BinaryIO, tally: _Tally) -> bool:
    """Look at the first bytes; leaves `file` at its first row. Says whether the file cannot be read at all."""
    head = file.read(4096)
    file.seek(0)
    if not head:
        tally.note(error(None, "empty-file", "The file is empty.", "Choose a file with one JSON object a line."))
        return True
    for start, name in _SIGNATURES.items():
        if head.startswith(start):
            tally.note(error(None, "not-jsonl", f"The file is {name}, not JSON lines.", "Save it as JSONL in UTF-8."))
            return True
    for start, name in _ENCODINGS.items():
        if head.startswith(start):
            tally.note(error(1, "utf-16", f"The file is {name}, not UTF-8.", "Save it as UTF-8."))
            return True
    if head.startswith(_BOM):
        file.seek(len(_BOM))
        tally.note(warning(1, "bom", "The file begins with a byte order mark, which was left out.", "Save it without."))
    if head.removeprefix(_BOM).lstrip()[:1] == b"[":
        tally.note(
            error(1, "not-jsonl", "The file is a JSON list, not JSON lines.", "Save it with one JSON object a line.")
        )
        return True
    return False


def _numbered_rows(file: BinaryIO, tally: _Tally) -> Iterator[NumberedRow]:
    crlf = False
    for line in read_lines(file):
        if not crlf and line.raw.endswith(b"\r"):
            crlf = True
            tally.note(
                warning(
                    line.number,
                    "crlf",
                    "Lines end as on Windows (CR LF); the CR was left out.",
                    "Nothing needs to be done.",
                )
            )
        if line.raw and not line.raw.isspace():
            yield line.number, parse(line)


def _recognise(head: list[NumberedRow], tally: _Tally) -> tuple[str | None, str]:
    rows = [row for _, row in head if isinstance(row, dict)]
    found = guess(rows)
    if found is not None:
        return found.kind, found.reason
    for _, fault in head:
        if isinstance(fault, RowProblem):
            tally.note(fault)
    if rows:
        known = "; ".join(f"{entry.title} ({entry.example})" for entry in FORMATS)
        tally.note(
            error(
                next(number for number, row in head if isinstance(row, dict)),
                "unknown-format",
                f"No format is known for rows that have {columns_of(rows[0])}.",
                f"Rename the columns to those of one that is understood: {known}.",
                rows[0],
            )
        )
    elif head:
        tally.note(
            error(None, "not-jsonl", "The file is not JSON lines.", "Choose a file with one JSON object on each line.")
        )
    return None, ""


def _read_rows(
    format: Format, rows: Iterator[NumberedRow], tally: _Tally, on_row: Callable[[Conversation], None]
) -> None:
    for number, row in rows:
        if isinstance(row, RowProblem):
            tally.refused += 1
            tally.note(row)
            continue
        reading = format.read(row, number)
        for problem in reading.problems:
            tally.note(problem)
        if reading.conversation is None:
            tally.refused += 1
        else:
            tally.rows += 1
            on_row(reading.conversation)
