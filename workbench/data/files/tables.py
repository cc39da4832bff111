"""CSV and TSV: a line of column names, then a row a line; a cell in quotation marks may hold line ends.

A cell that is a JSON list or object is read as one, so that chat turns fit into a table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from workbench.data.files.rows import ROW_LIMIT, Note, NumberedRow
from workbench.formats.wording import error
from workbench.records.datasets import RowProblem

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_SAVE_AGAIN = "Save the table again as CSV in UTF-8."
DELIMITERS = "\t,;"


def read_csv(stream: BinaryIO, note: Note) -> Iterator[NumberedRow]:
    """The rows under the line of column names, by the line they begin on; parted by commas or semicolons."""
    text = _text(stream)
    head = text.readline(ROW_LIMIT)
    delimiter = ";" if head.count(";") > head.count(",") else ","
    yield from _read(head, text, delimiter)


def read_tsv(stream: BinaryIO, note: Note) -> Iterator[NumberedRow]:
    """The rows under the line of column names, by the line they begin on; parted by tabs."""
    text = _text(stream)
    yield from _read(text.readline(ROW_LIMIT), text, "\t")


def _text(stream: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")


def _read(head: str, text: io.TextIOWrapper, delimiter: str) -> Iterator[NumberedRow]:
    csv.field_size_limit(ROW_LIMIT)
    lines = _Lines(head, text)
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        names = next(table, [])
        start = table.line_num + 1
        for cells in table:
            if cells:
                yield NumberedRow(start, _row(names, cells, start))
            start = table.line_num + 1
    except csv.Error as fault:
        yield NumberedRow(start, _broken(start, fault, lines.last))
    finally:
        text.detach()


class _Lines:
    """Hands lines to the reader, one of them at most as long as a row may be, and remembers the last."""

    def __init__(self, head: str, text: io.TextIOWrapper) -> None:
        self.last = head
        self._text = text

    def __iter__(self) -> Iterator[str]:
        yield self.last
        while line := self._text.readline(ROW_LIMIT + 1):
            self.last = line
            yield line


def _row(names: list[str], cells: list[str], line: int) -> dict[str, Any] | RowProblem:
    if len(cells) != len(names):
        return error(
            line,
            "ragged",
            f"The row has {len(cells)} cells, and there are {len(names)} columns.",
            "Put cells that hold the separator in quotation marks.",
            cells[0],
        )
    broken = next((cell for cell in cells if _NOT_UTF8.search(cell)), None)
    if broken is not None:
        return error(line, "not-utf-8", "A cell of the row is not UTF-8.", "Save the table as UTF-8.", broken)
    return {name.strip(): _value(cell) for name, cell in zip(names, cells, strict=True)}


def _value(cell: str) -> Any:
    if cell[:1] in ("[", "{") and cell[-1:] in ("]", "}"):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell


def _broken(line: int, fault: csv.Error, last: str) -> RowProblem:
    reason = str(fault)
    if "unexpected end" in reason or "field larger" in reason:
        return error(
            line,
            "open-quote",
            f"A quotation mark opened in the row of line {line:,} is never closed; nothing behind it was read.",
            "Close it, or double it where it belongs to the text.",
            last,
        )
    return error(line, "not-a-table", f"The row cannot be read: {reason}.", _SAVE_AGAIN, last)


def looks_like_table(head: bytes) -> str | None:
    """The separator of a table whose first bytes are `head`: names in its first line and as many cells in the next."""
    lines = head.decode("utf-8", "replace").splitlines()[:2]
    if len(lines) < 2:
        return None
    for delimiter in DELIMITERS:
        try:
            names, cells = csv.reader(lines, delimiter=delimiter)
        except (ValueError, csv.Error):
            continue
        named = all(re.fullmatch(r"[\w .-]{1,40}", name) for name in names)
        if len(names) > 1 and len(names) == len(cells) and named and len(set(names)) == len(names):
            return delimiter
    return None
