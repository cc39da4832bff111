"""Light edits of a dataset: each a step that is written down, so that a run says exactly what it was trained on.

A step turns rows into rows; the library keeps its result as a dataset of its own and goes back by going to the one
before. Knows no disk.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.datasets import Conversation, Message

Rows = Sequence[Conversation]
Where = Literal["anywhere", "question", "answer"]


class StepBase(Record, ABC):
    """One edit."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What it does, as the list of steps shows it."""

    @abstractmethod
    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        """`rows` after this edit; `other` are the rows of the dataset that is joined, else none."""


class Keep(StepBase):
    """Filter by text."""

    kind: Literal["keep"] = "keep"
    text: str = Field(min_length=1, title="Text")
    where: Where = "anywhere"
    pattern: bool = Field(False, title="Is a regular expression")
    inverted: bool = Field(False, title="Keep the rows without it")

    @property
    def sentence(self) -> str:
        what = f"the pattern “{self.text}”" if self.pattern else f"“{self.text}”"
        return f"keep rows {'without' if self.inverted else 'with'} {what} {_PLACES[self.where]}"

    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        found = _finder(self.text, self.pattern)
        return (row for row in rows if any(found(text) for text in _texts(row, self.where)) != self.inverted)


class Length(StepBase):
    """Filter by length."""

    kind: Literal["length"] = "length"
    shortest: int = Field(0, ge=0, title="Shortest, characters", description="All turns together.")
    longest: int | None = Field(None, ge=1, title="Longest, characters", description="Empty for any.")

    @property
    def sentence(self) -> str:
        limit = f" to {self.longest:,}" if self.longest is not None else " or more"
        return f"keep rows of {self.shortest:,}{limit} characters"

    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        longest = float("inf") if self.longest is None else self.longest
        return (row for row in rows if self.shortest <= sum(map(len, _texts(row, "anywhere"))) <= longest)


class Drop(StepBase):
    """Leave out rows by their line."""

    kind: Literal["drop"] = "drop"
    lines: tuple[int, ...] = Field(min_length=1)

    @property
    def sentence(self) -> str:
        shown = ", ".join(f"{line:,}" for line in self.lines[:10])
        more = f" and {len(self.lines) - 10:,} more" if len(self.lines) > 10 else ""
        return f"drop line{'s' if len(self.lines) > 1 else ''} {shown}{more}"

    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        dropped = set(self.lines)
        return (row for row in rows if row.line not in dropped)


class Deduplicate(StepBase):
    """Leave out what an earlier row says already."""

    kind: Literal["deduplicate"] = "deduplicate"

    @property
    def sentence(self) -> str:
        return "drop rows that repeat an earlier one, case and spaces apart"

    def apply(self, rows: Rows, other: Rows) -> Iterator[Conversation]:
        seen: set[int] = set()
        for row in rows:
            said = hash(tuple(" ".join(text.split()).casefold() for text in _texts(row, "anywhere")))
            if said not in seen:
                seen.add(said)
                yield row


class Replace(StepBase):
    """Find and replace."""

    kind: Literal["replace"] = "replace"
    text: str = Field(min_length=1, title="Find")
    by: str = Field("", title="Replace by")
    where: Where = "anywhere"
    pattern: bool = Field(False, title="Is a regular expression")

    @property
    def sentence(self) -> str:
        what = f"the pattern “{self.text}”" if self.pattern else f"“{self.text}”"
        return f"replace {what} by “{self.by}” {_PLACES[self.where]}"

    def apply(self, rows: Rows, other: Rows) -> Iterator[Conversation]:
        pattern = _pattern(self.text if self.pattern else re.escape(self.text))
        by = self.by if self.pattern else self.by.replace("\\", "\\\\")
        try:
            for row in rows:
                yield _rewritten(row, self.where, lambda text: pattern.sub(by, text))
        except (re.error, IndexError) as fault:
            raise WorkbenchError(
                f"“{self.by}” cannot stand for the pattern: {fault}.", remedy="Correct its references.", field="by"
            ) from fault


class Sample(StepBase):
    """Take some rows by chance, in file order."""

    kind: Literal["sample"] = "sample"
    rows: int = Field(ge=1)
    seed: int = Field(0, ge=0)

    @property
    def sentence(self) -> str:
        return f"take {self.rows:,} rows by chance (seed {self.seed})"

    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        chosen = sorted(Random(self.seed).sample(range(len(rows)), min(self.rows, len(rows))))
        return (rows[index] for index in chosen)


class Shuffle(StepBase):
    """Put the rows into an order of chance."""

    kind: Literal["shuffle"] = "shuffle"
    seed: int = Field(0, ge=0)

    @property
    def sentence(self) -> str:
        return f"shuffle the rows (seed {self.seed})"

    def apply(self, rows: Rows, other: Rows) -> Iterable[Conversation]:
        order = list(range(len(rows)))
        Random(self.seed).shuffle(order)
        return (rows[index] for index in order)


class Join(StepBase):
    """Add the rows of another dataset, in a chosen proportion; they are numbered on behind the last."""

    kind: Literal["join"] = "join"
    dataset: str = Field(title="Dataset", json_schema_extra={"datasets": True})
    """Its id."""
    weight: float = Field(
        1.0,
        gt=0,
        le=100,
        title="Weight",
        description="How often each of its rows is added; 0.5 takes half of them by chance, 2 takes each twice.",
    )
    seed: int = Field(0, ge=0)

    @property
    def sentence(self) -> str:
        times = "" if self.weight == 1 else f" {self.weight:g} times"
        return f"add the rows of dataset {self.dataset}{times}"

    def apply(self, rows: Rows, other: Rows) -> Iterator[Conversation]:
        last = 0
        for row in rows:
            last = max(last, row.line)
            yield row
        part = round((self.weight % 1) * len(other))
        indices = [
            *(index for _ in range(int(self.weight)) for index in range(len(other))),
            *sorted(Random(self.seed).sample(range(len(other)), part)),
        ]
        for number, index in enumerate(indices, last + 1):
            yield other[index].model_copy(update={"line": number})


Step = Keep | Length | Drop | Deduplicate | Replace | Sample | Shuffle | Join
STEPS: tuple[type[StepBase], ...] = get_args(Step)
STEP: TypeAdapter[Step] = TypeAdapter(Annotated[Step, Field(discriminator="kind")])

_PLACES: dict[Where, str] = {"anywhere": "anywhere", "question": "in a question", "answer": "in an answer"}


def _speaks(message: Message, where: Where) -> bool:
    return where == "anywhere" or (message.role == "assistant") == (where == "answer")


def _texts(row: Conversation, where: Where) -> list[str]:
    if row.text is not None:
        return [row.text]
    return [message.content for message in row.messages if _speaks(message, where)]


def _rewritten(row: Conversation, where: Where, rewrite: Callable[[str], str]) -> Conversation:
    if row.text is not None:
        return row.model_copy(update={"text": rewrite(row.text)})
    messages = tuple(
        message.model_copy(update={"content": rewrite(message.content)}) if _speaks(message, where) else message
        for message in row.messages
    )
    return row.model_copy(update={"messages": messages})


def _finder(text: str, pattern: bool) -> Callable[[str], bool]:
    if not pattern:
        return lambda where: text in where
    compiled = _pattern(text)
    return lambda where: compiled.search(where) is not None


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as fault:
        raise WorkbenchError(
            f"“{text}” is not a regular expression: {fault}.",
            remedy="Correct it, or search for plain text.",
            field="text",
        ) from fault
