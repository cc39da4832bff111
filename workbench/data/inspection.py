"""One row of a file on disk, found by its number: what it says and what is wrong with it."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

from workbench.data.examination import GUESSED_FROM
from workbench.data.files import FileRefused, open_file
from workbench.errors import WorkbenchError
from workbench.formats import FORMATS, Format, Layout, Reading, guess
from workbench.records.datasets import RowProblem


def read_row(path: Path, number: int, layout: Layout | None = None) -> Reading:
    """The row of the file at `path` with this number, as a check counts them.

    Raises `WorkbenchError` when the file has no such row, or no format is known for its rows.
    """
    try:
        with open_file(path, path.name, lambda problem: None) as file:
            head = list(islice(file.rows, GUESSED_FROM))
            chosen = layout.format() if layout else _guessed([found.row for found in head])
            for line, row, _ in chain(head, file.rows):
                if line == number:
                    return Reading(line, problems=[row]) if isinstance(row, RowProblem) else chosen.read(row, line)
                if line > number:
                    break
    except FileRefused as refused:
        raise WorkbenchError(refused.problem.message, remedy=refused.problem.remedy) from refused
    raise WorkbenchError(f"{path.name} has no row {number:,}.", remedy="Check the file to see its rows.")


def _guessed(rows: list[object]) -> Format:
    found = guess([row for row in rows if isinstance(row, dict)])
    if found is None:
        raise WorkbenchError("No format is known for these rows.", remedy="Name one with --format.")
    return FORMATS.get(found.kind)()
