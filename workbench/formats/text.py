"""Running text: one column, no turns; the model learns to continue it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Recognition, Row, Turn


@FORMATS.add("text")
class Text(Format):
    """Everything in ``text`` is learned."""

    kind: ClassVar[str] = "text"
    title: ClassVar[str] = "text"
    order: ClassVar[int] = 90
    example: ClassVar[str] = "text"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        return Recognition(0.5, "the column “text”") if "text" in row else None

    def turns(self, row: Row) -> Sequence[Turn] | str | None:
        if "text" not in row:
            return None
        text = row["text"]
        # Null or a number is an answer that is not text: the shared checks say so.
        return text if isinstance(text, str) else [Turn("assistant", text, "text")]
