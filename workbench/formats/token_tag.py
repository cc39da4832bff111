"""Tagging rows: a list of tokens and a list of tags, one a token; the tags are the answer that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Format, Reading, Recognition, Row, Turn
from workbench.formats.turns import refusal

_TOKENS = ("tokens", "words")
_TAGS = ("tags", "ner_tags", "pos_tags", "labels")


@FORMATS.add("token_tag")
class TokenTag(Format):
    """The tokens, parted by spaces, are the user's turn, the tags the answer."""

    kind: ClassVar[str] = "token_tag"
    title: ClassVar[str] = "tokens and tags"
    order: ClassVar[int] = 65
    example: ClassVar[str] = "tokens: […], tags: […]"

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        tokens, tags = _columns(row)
        if not tokens or not tags or not isinstance(row[tokens], list):
            return None
        return Recognition(0.9, f"the lists “{tokens}” and “{tags}”")

    def turns(self, row: Row) -> Sequence[Turn] | None:
        tokens, tags = _columns(row)
        if not tokens or not tags:
            return None
        return [Turn("user", _joined(row[tokens]), tokens), Turn("assistant", _joined(row[tags]), tags)]

    def read(self, row: Row, line: int, printable: bool = False) -> Reading:
        tokens, tags = _columns(row)
        if tokens and tags and isinstance(row[tokens], list) and isinstance(row[tags], list):
            words, marks = len(row[tokens]), len(row[tags])
            if words != marks:
                return refusal(
                    line,
                    "tags-mismatch",
                    f"The row has {words:,} tokens and {marks:,} tags.",
                    "Give each token one tag.",
                    row[tokens],
                )
        return super().read(row, line, printable=printable)


def _columns(row: Row) -> tuple[str | None, str | None]:
    return next((name for name in _TOKENS if name in row), None), next((name for name in _TAGS if name in row), None)


def _joined(value: object) -> object:
    """A list as one text; anything else stays, and the shared checks say that it is no text."""
    if isinstance(value, list) and all(isinstance(part, str | int) for part in value):
        return " ".join(map(str, value))
    return value
