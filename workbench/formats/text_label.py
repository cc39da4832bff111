"""Classification rows: a text and its label, which is the answer that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Turn

_TEXTS = ("text", "sentence", "review", "content", "sentence1")
_LABELS = ("label_text", "label_name", "label", "category", "sentiment", "class")


@FORMATS.add("text_label")
class TextLabel(Format):
    """The text is the user's turn, the label the answer; a label's name goes before its number."""

    kind: ClassVar[str] = "text_label"
    title: ClassVar[str] = "text and label"
    order: ClassVar[int] = 60
    example: ClassVar[str] = "text, label"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        text, label = _columns(row)
        return Recognition(0.7, f"the columns “{text}” and “{label}”") if text and label else None

    def turns(self, row: Row) -> Sequence[Turn] | None:
        text, label = _columns(row)
        if not text or not label:
            return None
        answer = row[label]
        named = str(answer) if isinstance(answer, int | float) else answer
        return [Turn("user", row[text], text), Turn("assistant", named, label)]


def _columns(row: Row) -> tuple[str | None, str | None]:
    return next((name for name in _TEXTS if name in row), None), next((name for name in _LABELS if name in row), None)
