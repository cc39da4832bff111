"""ShareGPT's rows: a list ``conversations`` of objects that name the speaker, under several names for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Said, Turn
from workbench.formats.messages import list_turns
from workbench.formats.turns import usual_turns

_COLUMNS = ("conversations", "conversation", "dialogue", "dialog", "messages")
_SPEAKERS = ("from", "role", "speaker")
_WORDS = ("value", "content", "text")


@FORMATS.add("sharegpt")
class ShareGPT(Format):
    """Turns as ``{"from": "human", "value": …}``, or with other names for the two."""

    kind: ClassVar[str] = "sharegpt"
    title: ClassVar[str] = "ShareGPT"
    order: ClassVar[int] = 10
    example: ClassVar[str] = "conversations: [{from, value}, …]"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        found = _list(row)
        if found is None:
            return None
        column, turns = found
        speaker, words = _keys(turns)
        certainty = 0.4 if column == "messages" and speaker == "role" else 0.95
        return Recognition(certainty, f"a list “{column}” whose turns have “{speaker}” and “{words}”")

    def usual(self, row: Row) -> Sequence[Said] | None:
        found = None if row.get("system") else _list(row)
        return usual_turns(found[1], *_keys(found[1])) if found else None

    def turns(self, row: Row) -> Sequence[Turn] | None:
        found = _list(row)
        if found is None:
            return None
        column, turns = found
        head = [Turn("system", row["system"], "system")] if row.get("system") else []
        return [*head, *list_turns(turns, column, *_keys(turns))]


def _list(row: Row) -> tuple[str, list[Any]] | None:
    return next(((name, row[name]) for name in _COLUMNS if isinstance(row.get(name), list)), None)


def _keys(turns: Sequence[object]) -> tuple[str, str]:
    """The names that the turns use for speaker and words; the usual ones when they use none."""
    first = next((turn for turn in turns if isinstance(turn, dict)), {})
    speaker = next((name for name in _SPEAKERS if name in first), _SPEAKERS[0])
    words = next((name for name in _WORDS if name in first), _WORDS[0])
    return speaker, words
