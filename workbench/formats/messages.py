"""OpenAI's chat rows: a list ``messages`` of objects with ``role`` and ``content``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson

from workbench.formats import FORMATS, Format, Recognition, Row, Said, Turn
from workbench.formats.turns import missing, usual_turns

_EXTRA = ("tool_calls", "tool_call_id", "name", "reasoning_content", "thinking")


@FORMATS.add("messages")
class Messages(Format):
    """Turns as ``{"role": …, "content": …}``."""

    kind: ClassVar[str] = "messages"
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

    def usual(self, row: Row) -> Sequence[Said] | None:
        return usual_turns(row.get("messages"), "role", "content")

    def turns(self, row: Row) -> Sequence[Turn] | None:
        if not isinstance(row.get("messages"), list):
            return None
        return list_turns(row["messages"], "messages", "role", "content")


def list_turns(turns: Sequence[object], column: str, role: str, content: str) -> list[Turn]:
    """The turns in a list of objects, each with the keys `role` and `content`."""
    fields = (turn if isinstance(turn, dict) else {} for turn in turns)
    return [
        Turn(
            found.get(role, missing()),
            found.get(content, missing()),
            f"{column}[{number}].{content}",
            _extra(found) if len(found) > 2 else "",
        )
        for number, found in enumerate(fields)
    ]


def _extra(turn: dict[str, Any]) -> str:
    """What the chat template gets beside role and words, as JSON; tool calls with their arguments parsed."""
    found = {name: turn[name] for name in _EXTRA if turn.get(name)}
    calls = found.get("tool_calls")
    if isinstance(calls, list):
        found["tool_calls"] = [_parsed(call) for call in calls]
    return orjson.dumps(found).decode() if found else ""


def _parsed(call: Any) -> Any:
    """OpenAI writes a call's arguments as JSON in a text; chat templates want the object."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = orjson.loads(function["arguments"])
    except orjson.JSONDecodeError:
        return call
    return {**call, "function": {**function, "arguments": arguments}}
