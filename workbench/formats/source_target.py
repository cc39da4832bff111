"""Translation and rewriting rows: a source and a target, side by side or in one object by language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from workbench.formats import FORMATS, Recognition, Row, Turn
from workbench.formats.pairs import Pair


@FORMATS.add("source_target")
class SourceTarget(Pair):
    """The source is the user's turn, the target the answer."""

    kind: ClassVar[str] = "source_target"
    title: ClassVar[str] = "source and target"
    order: ClassVar[int] = 70
    example: ClassVar[str] = "source, target"
    columns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("source", "target"),
        ("src", "tgt"),
        ("document", "summary"),
        ("article", "highlights"),
        ("text", "summary"),
    )

    @classmethod
    def recognise(cls, row: Row) -> Recognition | None:
        pair = row.get("translation")
        if isinstance(pair, dict) and len(pair) == 2:
            return Recognition(0.9, f"the object “translation” of {' and '.join(f'“{name}”' for name in pair)}")
        found = super().recognise(row)
        # A question without its answer says too little: every text has a column “text” or “source”.
        return found if found and found.score > 0.5 else None

    def turns(self, row: Row) -> Sequence[Turn] | None:
        pair = row.get("translation")
        if isinstance(pair, dict) and len(pair) == 2:
            (source, words), (target, answer) = pair.items()
            return [Turn("user", words, f"translation.{source}"), Turn("assistant", answer, f"translation.{target}")]
        return super().turns(row)
