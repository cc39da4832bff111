"""Rows of a file picked out by their numbers: those that were refused, and the columns of those that were not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import orjson

from workbench.data.files import NumberedRow, open_file
from workbench.data.files.lines import read_lines
from workbench.errors import WorkbenchError


def refused_rows(path: Path, name: str, lines: Collection[int]) -> Iterator[bytes]:
    """The rows of the file at `path` with these numbers, one a line: of JSON lines as they stand, else as JSON."""
    with open_file(path, name, lambda problem: None) as file:
        plain = file.kind == "json lines" and not file.packed_as_gzip
        if not plain:
            yield from (
                orjson.dumps(found.row) + b"\n"
                for found in file.rows
                if found.line in lines and isinstance(found.row, dict)
            )
    if plain:
        with path.open("rb") as raw:
            yield from (line.raw.rstrip(b"\r") + b"\n" for line in read_lines(raw) if line.number in lines)


def column(path: Path, name: str, wanted: str, lines: Sequence[int]) -> list[str]:
    """What stands in the column `wanted` of the rows with these numbers, in their order.

    Raises `WorkbenchError` when none of them has it.
    """
    needed = set(lines)
    found: dict[int, str] = {}
    with open_file(path, name, lambda problem: None) as file:
        for numbered in file.rows:
            if numbered.line in needed:
                found[numbered.line] = _value(numbered, wanted)
    if not any(found.values()):
        raise WorkbenchError(f"No row has a column “{wanted}”.", remedy="Choose a column of the file.")
    return [found.get(line, "") for line in lines]


def _value(numbered: NumberedRow, wanted: str) -> str:
    if not isinstance(numbered.row, dict) or numbered.row.get(wanted) is None:
        return ""
    value = numbered.row[wanted]
    return value if isinstance(value, str) else orjson.dumps(value).decode()
