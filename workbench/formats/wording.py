"""Problems of rows in words: how they are made, and how what a user wrote is shown in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.records.datasets import RowProblem

EXCERPT = 120
"""Characters of the offending text that are shown."""


def excerpt(value: object) -> str:
    """`value` shortened to one readable line, with what cannot be printed escaped."""
    text = value if isinstance(value, str) else repr(value)
    head = text[: EXCERPT + 1]
    shown = "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in head)
    return shown[:EXCERPT] + "…" if len(shown) > EXCERPT else shown


def columns_of(row: Mapping[str, Any]) -> str:
    """The columns of `row` for a sentence: ``the columns “a” and “b”``."""
    names = [f"“{excerpt(name)}”" for name in list(row)[:12]]
    if not names:
        return "no columns"
    if len(row) > len(names):
        names.append(f"{len(row) - len(names)} more")
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    return f"the column {listed}" if len(row) == 1 else f"the columns {listed}"


def error(line: int | None, kind: str, message: str, remedy: str, shown: object = "") -> RowProblem:
    """A fault for which the row is not used."""
    return RowProblem(
        line=line, severity="error", kind=kind, message=message, remedy=remedy, excerpt=excerpt(shown) if shown else ""
    )


def warning(line: int | None, kind: str, message: str, remedy: str, shown: object = "") -> RowProblem:
    """A fault in spite of which the row is used."""
    return RowProblem(
        line=line,
        severity="warning",
        kind=kind,
        message=message,
        remedy=remedy,
        excerpt=excerpt(shown) if shown else "",
    )
