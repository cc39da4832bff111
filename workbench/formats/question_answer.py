"""Question and answer, under the names that people give the two."""

from __future__ import annotations

from typing import ClassVar

from workbench.formats import FORMATS
from workbench.formats.pairs import Pair


@FORMATS.add("question_answer")
class QuestionAnswer(Pair):
    """The question is the user's turn, the answer the assistant's."""

    kind: ClassVar[str] = "question_answer"
    title: ClassVar[str] = "question and answer"
    order: ClassVar[int] = 40
    example: ClassVar[str] = "question, answer (or q, a)"
    columns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("question", "answer"),
        ("q", "a"),
        ("Question", "Answer"),
        ("Q", "A"),
        ("query", "response"),
        ("query", "answer"),
        ("question", "response"),
        ("problem", "solution"),
        ("user", "assistant"),
        ("input", "output"),
    )
