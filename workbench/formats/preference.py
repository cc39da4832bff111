"""Preference rows: a prompt, an answer that was preferred and one that was not. The preferred one is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Turn
from workbench.formats.messages import list_turns
from workbench.formats.turns import missing


@FORMATS.add("preference")
class Preference(Format):
    """Prompt and chosen answer, each as text or as a list of turns; the rejected answer is left out."""

    kind: ClassVar[str] = "preference"
    title: ClassVar[str] = "preference"
    order: ClassVar[int] = 35
    example: ClassVar[str] = "prompt, chosen, rejected"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        if "chosen" not in row or "rejected" not in row:
            return None
        return Recognition(0.9, "the columns “chosen” and “rejected”")

    def turns(self, row: Row) -> Sequence[Turn] | None:
        if "chosen" not in row:
            return None
        prompt = _turns(row["prompt"], "user", "prompt") if "prompt" in row else []
        return [*prompt, *_turns(row.get("chosen", missing()), "assistant", "chosen")]


def _turns(said: object, role: str, place: str) -> list[Turn]:
    return list_turns(said, place, "role", "content") if isinstance(said, list) else [Turn(role, said, place)]
