"""OpenAI's chat rows: a list ``messages`` of objects with ``role`` and ``content``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Turn
from workbench.formats.turns import missing


@FORMATS.add("messages")
class Messages(Format):
    """Turns as ``{"role": …, "content": …}``."""

    title: ClassVar[str] = "messages"
    order: ClassVar[int] = 0
    example: ClassVar[str] = "messages: [{role, content}, …]"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        turns = row.get("messages")
        if not isinstance(turns, list):
            return None
        named = any(isinstance(turn, dict) and "from" in turn for turn in turns)
        return Recognition(0.5 if named else 1.0, "a list “messages” whose turns have “role” and “content”")

    def turns(self, row: Row) -> Sequence[Turn] | None:
        if not isinstance(row.get("messages"), list):
            return None
        return list_turns(row["messages"], "messages", "role", "content")


def list_turns(turns: Sequence[object], column: str, role: str, content: str) -> list[Turn]:
    """The turns in a list of objects, each with the keys `role` and `content`."""
    fields = (turn if isinstance(turn, dict) else {} for turn in turns)
    return [
        Turn(found.get(role, missing()), found.get(content, missing()), f"{column}[{number}].{content}")
        for number, found in enumerate(fields)
    ]
