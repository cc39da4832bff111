"""Alpaca's rows: ``instruction``, perhaps an ``input`` to it, and the ``output``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Said, Turn
from workbench.formats.turns import missing, usual_pair

_ANSWERS = ("output", "response")
_INPUTS = ("input", "context")


@FORMATS.add("alpaca")
class Alpaca(Format):
    """The instruction with its input is the user's turn, the output the answer."""

    kind: ClassVar[str] = "alpaca"
    title: ClassVar[str] = "Alpaca"
    order: ClassVar[int] = 20
    example: ClassVar[str] = "instruction, input, output"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        if "instruction" not in row:
            return None
        answer = _answer(row)
        return Recognition(0.9 if answer in row else 0.4, f"the columns “instruction” and “{answer}”")

    def usual(self, row: Row) -> Sequence[Said] | None:
        if row.get("system") or "instruction" not in row:
            return None
        return usual_pair(_question(row).content, row.get(_answer(row)))

    def turns(self, row: Row) -> Sequence[Turn] | None:
        if "instruction" not in row:
            return None
        answer = _answer(row)
        head = [Turn("system", row["system"], "system")] if row.get("system") else []
        return [*head, _question(row), Turn("assistant", row.get(answer, missing()), answer)]


def _answer(row: Row) -> str:
    return next((name for name in _ANSWERS if name in row), _ANSWERS[0])


def _question(row: Row) -> Turn:
    instruction = row["instruction"]
    name = next((name for name in _INPUTS if row.get(name)), None)
    if name is None:
        return Turn("user", instruction, "instruction")
    if isinstance(instruction, str) and isinstance(row[name], str):
        return Turn("user", f"{instruction}\n\n{row[name]}", "instruction")
    wrong = name if isinstance(instruction, str) else "instruction"
    return Turn("user", row[wrong], wrong)
