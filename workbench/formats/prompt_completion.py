"""Prompt and completion, each as text or as a list of turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Row, Turn
from workbench.formats.messages import list_turns
from workbench.formats.pairs import Pair


@FORMATS.add("prompt_completion")
class PromptCompletion(Pair):
    """The prompt is the user's turn, the completion the answer."""

    kind: ClassVar[str] = "prompt_completion"
    title: ClassVar[str] = "prompt and completion"
    order: ClassVar[int] = 30
    example: ClassVar[str] = "prompt, completion"
    columns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("prompt", "completion"),
        ("prompt", "response"),
        ("prompt", "output"),
    )

    def turns(self, row: Row) -> Sequence[Turn] | None:
        found = super().turns(row)
        if found is None or not any(isinstance(turn.content, list) for turn in found):
            return found
        return [
            part
            for turn in found
            for part in (
                list_turns(turn.content, turn.place, "role", "content") if isinstance(turn.content, list) else [turn]
            )
        ]
