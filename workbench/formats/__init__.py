"""Row formats, one file each: which rows are theirs, and where the turns stand in such a row.

A format only points at the turns. Whether a role is known, an answer is there and a text is text is checked once for
all of them, in `workbench.formats.turns`. Knows no file and no tokenizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from workbench.errors import WorkbenchError
from workbench.formats.turns import Reading, Said, Turn, read_text, read_turns, refusal, usual_reading
from workbench.formats.wording import columns_of
from workbench.records import Record
from workbench.registry import Registry

__all__ = [
    "FORMATS",
    "Format",
    "Guess",
    "Layout",
    "Reading",
    "Recognition",
    "Row",
    "Said",
    "Turn",
    "columns_of",
    "guess",
]

Row = Mapping[str, Any]
"""A JSON object, or a line of a table by its column names."""


@dataclass(frozen=True)
class Recognition:
    """How surely a row is of a format, and by what it was recognised."""

    score: float
    """0 to 1."""
    reason: str
    """Completes the sentence “recognised by …”."""


class Format(ABC):
    """One way to lay out a row."""

    kind: ClassVar[str]
    title: ClassVar[str]
    order: ClassVar[int] = 100
    example: ClassVar[str]
    """The columns, as a user would write them down: ``instruction, input, output``."""

    @classmethod
    @abstractmethod
    def recognise(cls, row: Row) -> Recognition | None:
        """How surely `row` is of this format; None when it is not. Looks at column names and shapes, not at values."""

    @abstractmethod
    def turns(self, row: Row) -> Sequence[Turn] | str | None:
        """The turns of `row` unchecked, the text of a row that has none, or None when its columns are missing."""

    def usual(self, row: Row) -> Sequence[Said] | None:
        """The conversation in a row as plain as most are, without a closer look; None where one is needed."""
        return None

    def read(self, row: Row, line: int, printable: bool = False) -> Reading:
        """What is learned from `row`, and everything that is wrong with it.

        `printable` when no control character can be in it, which spares looking for one.
        """
        usual = self.usual(row) if printable and "tools" not in row else None
        if usual is not None:
            return usual_reading((line, usual, None, (), ""))
        found = self.turns(row)
        if found is None:
            return refusal(
                line,
                "other-columns",
                f"This row has {columns_of(row)}; the file's other rows are laid out as {self.title}.",
                f"Give it the columns {self.example}, or remove it.",
            )
        if isinstance(found, str):
            return read_text(found, line, printable=printable)
        reading = read_turns(found, line)
        return reading._replace(tools=_tools(row["tools"])) if row.get("tools") else reading


def _tools(tools: object) -> str:
    """The tools of a row as JSON; some files hold them as a text already."""
    return tools if isinstance(tools, str) else orjson.dumps(tools).decode()


FORMATS: Registry[Format] = Registry("workbench.formats", "format")


class Layout(Record):
    """How a user says that rows are laid out, where it is not to be guessed."""

    kind: str
    """Of the format."""
    answer: str = ""
    """Column of the answer, or of the running text; for chosen columns only, as are the two below."""
    question: tuple[str, ...] = ()
    system: str = ""

    def format(self) -> Format:
        """The format with these columns; raises `WorkbenchError` when there is none of that kind."""
        chosen = FORMATS.get(self.kind)
        if self.kind != "columns":
            return chosen()
        if not self.answer:
            raise WorkbenchError("No column was chosen for the answer.", remedy="Choose one.", field="data.dataset")
        return chosen(**self.model_dump(exclude={"kind"}))


@dataclass(frozen=True)
class Guess:
    """The format that most rows of a file have."""

    kind: str
    reason: str


def guess(rows: Sequence[Row]) -> Guess | None:
    """The format that fits `rows` best, by the sum of its scores; None when none fits any."""
    best: Guess | None = None
    best_score = 0.0
    for kind in FORMATS.kinds():
        fits = [found for found in map(FORMATS.get(kind).recognise, rows) if found]
        score = sum(found.score for found in fits)
        if score > best_score:
            best_score = score
            best = Guess(kind, f"{fits[0].reason}, in {len(fits):,} of the first {len(rows):,} rows")
    return best
