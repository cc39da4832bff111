"""Rows of no known format: the user says which column is which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Turn
from workbench.formats.turns import missing


@FORMATS.add("columns")
class Columns(Format):
    """Columns chosen by hand; several for the question are put under one another. Numbers in them become text."""

    kind: ClassVar[str] = "columns"
    title: ClassVar[str] = "chosen columns"
    order: ClassVar[int] = 200
    example: ClassVar[str] = "any columns, of which you say what they are"

    def __init__(self, answer: str = "", question: Sequence[str] = (), system: str = "") -> None:
        self.answer = answer
        self.question = tuple(question)
        """None: the answer's column is running text."""
        self.system = system

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        return None

    def turns(self, row: Row) -> Sequence[Turn] | str | None:
        if not {self.answer, *self.question} <= row.keys():
            return None
        answer = _as_text(row[self.answer])
        if not self.question:
            return answer if isinstance(answer, str) else [Turn("assistant", answer, self.answer)]
        head = [Turn("system", _as_text(row[self.system]), self.system)] if row.get(self.system) else []
        return [*head, self._question(row), Turn("assistant", answer, self.answer)]

    def _question(self, row: Row) -> Turn:
        parts = [_as_text(row[name]) for name in self.question]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            wrong = next(place for place, part in enumerate(parts) if not isinstance(part, str))
            return Turn("user", parts[wrong], self.question[wrong])
        return Turn("user", "\n\n".join(part for part in texts if part.strip()), " and ".join(self.question))


def _as_text(value: object) -> object:
    if value is missing() or value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else value
