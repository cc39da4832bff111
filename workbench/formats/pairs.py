"""What formats share whose row is one question and one answer, each in a column of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import Format, Recognition, Row, Said, Turn
from workbench.formats.turns import missing, usual_pair


class Pair(Format):
    """Two columns; a format lists the names that it knows them by."""

    columns: ClassVar[tuple[tuple[str, str], ...]]
    """(question, answer), the likeliest first."""

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        pair = cls._pair(row)
        if pair is None:
            return None
        question, answer = pair
        return Recognition(0.8 if answer in row else 0.3, f"the columns “{question}” and “{answer}”")

    def usual(self, row: Row) -> Sequence[Said] | None:
        pair = None if row.get("system") else self._pair(row)
        return usual_pair(row[pair[0]], row.get(pair[1])) if pair else None

    def turns(self, row: Row) -> Sequence[Turn] | None:
        pair = self._pair(row)
        if pair is None:
            return None
        question, answer = pair
        head = [Turn("system", row["system"], "system")] if row.get("system") else []
        return [*head, Turn("user", row[question], question), Turn("assistant", row.get(answer, missing()), answer)]

    @classmethod
    def _pair(cls, row: Row) -> tuple[str, str] | None:
        """The names of this row's two columns; with the answer missing, the question alone names them."""
        for pair in cls.columns:
            if pair[0] in row and pair[1] in row:
                return pair
        return next((pair for pair in cls.columns if pair[0] in row), None)
