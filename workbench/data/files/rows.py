"""What every reader of files hands on: rows with their numbers, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Protocol

from workbench.records.datasets import RowProblem

ROW_LIMIT = 8 * 1024 * 1024
"""Longest row that is read, in bytes. The longest context there is takes about half of that."""

Note = Callable[[RowProblem], None]
"""Takes what is worth saying of the file as a whole."""


class NumberedRow(NamedTuple):
    """One row of a file, or what kept it from being read."""

    line: int
    """Counted from 1; of a JSON list and of Parquet the number of the row."""
    row: dict[str, Any] | RowProblem
    printable: bool = False
    """Whether surely no control character is in it."""


quick_row: Callable[[tuple[int, dict[str, Any], bool]], NumberedRow] = partial(tuple.__new__, NumberedRow)
"""The same from a tuple, in half the time: a file has a million of them."""


class FileRefused(Exception):
    """Nothing in the file can be read."""

    def __init__(self, problem: RowProblem) -> None:
        self.problem = problem
        super().__init__(problem.message)


class Reader(Protocol):
    """Reads one kind of file from its first byte."""

    def __call__(self, stream: BinaryIO, note: Note) -> Iterator[NumberedRow]: ...
