"""What a dataset becomes in tokens, row by row: how many are trained, which rows are cut, and which teach nothing.

The worker logs what it finds before it trains, the engine answers pages with it. Knows no file.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workbench.data.rendering import Encoded, TrainOn, encode, encode_all
from workbench.data.survey import Bin, histogram
from workbench.errors import WorkbenchError
from workbench.formats.wording import error, warning
from workbench.records import Record
from workbench.records.datasets import Conversation, RowProblem

_KEPT_A_KIND = 100
_CHUNK = 500
FIRST_ROWS = 20_000
"""After so many rows the figures are good enough to show; the rest refine them."""


class TokensReport(Record):
    """A dataset in tokens."""

    rows: int
    tokens: int
    """After the cut."""
    trained_tokens: int
    longest: int
    """Tokens of the longest row, before the cut."""
    cut_rows: int
    """Rows longer than the max length."""
    untrained_rows: int
    """Rows that teach nothing, because nothing of their answers is left."""
    refused_rows: int
    """Rows that the base model's chat template refuses."""
    unended_rows: int = 0
    """Rows, not cut, whose trained part ends without an end-of-turn token."""
    lossy_rows: int = 0
    """Rows of whose turns the chat template leaves something out."""
    lengths: tuple[Bin, ...] = ()
    """Rows by their tokens, before the cut."""
    packed_fill: float = 0.0
    """Share of the tokens' room that is used when rows are packed into batches of the max length."""
    problems: tuple[RowProblem, ...]
    """The first of each kind, with their lines."""

    @property
    def trained_share(self) -> float:
        """Trained tokens of all tokens, 0 to 1."""
        return self.trained_tokens / self.tokens if self.tokens else 0.0

    def steps_an_epoch(self, batch_size: int, accumulation: int = 1) -> int:
        """Optimizer steps in which every row that teaches something is seen once."""
        return math.ceil((self.rows - self.refused_rows - self.untrained_rows) / (batch_size * accumulation))


class TokenFigures(Record):
    """How far the tokens of a dataset are counted, and what is known by now."""

    rows: int
    """Of the dataset."""
    seen: int
    """Rows that were counted."""
    complete: bool
    report: TokensReport | None
    """None until the first rows are counted."""


def tokens_report(
    conversations: Iterable[Conversation], tokenizer: Any, max_length: int, train_on: TrainOn = "assistant"
) -> TokensReport:
    """Count `conversations` in tokens as a run with these settings would see them."""
    *_, last = tokens_reports(conversations, tokenizer, max_length, train_on)
    return last


def tokens_reports(
    conversations: Iterable[Conversation], tokenizer: Any, max_length: int, train_on: TrainOn = "assistant"
) -> Iterator[TokensReport]:
    """The same while it is counted: a report after the first rows, then refined ones, the last on all rows."""
    count = _Count(max_length, train_on)
    pending = FIRST_ROWS
    for batch in _batches(conversations):
        for row, encoded in _encoded(batch, tokenizer, train_on, max_length):
            count.add(row, encoded)
        if count.rows >= pending:
            pending *= 2
            yield count.report()
    yield count.report()


def _batches(conversations: Iterable[Conversation]) -> Iterator[list[Conversation]]:
    batch: list[Conversation] = []
    for row in conversations:
        batch.append(row)
        if len(batch) == _CHUNK:
            yield batch
            batch = []
    if batch:
        yield batch


def _encoded(
    batch: Sequence[Conversation], tokenizer: Any, train_on: TrainOn, max_length: int
) -> Iterator[tuple[Conversation, Encoded | WorkbenchError]]:
    """Each row of `batch` in tokens, or why its template refuses it; singly only when one of them is refused."""
    try:
        done = list(encode_all(batch, tokenizer, train_on=train_on, max_length=max_length))
        yield from zip(batch, done, strict=True)
    except WorkbenchError:
        for row in batch:
            try:
                yield row, encode(row, tokenizer, train_on=train_on, max_length=max_length)
            except WorkbenchError as refused:
                yield row, refused


class _Count:
    """Adds rows up."""

    def __init__(self, max_length: int, train_on: TrainOn) -> None:
        self.rows = 0
        self._max_length = max_length
        self._train_on = train_on
        self._tokens = self._trained = self._cut = self._untrained = self._refused = 0
        self._unended = self._lossy = 0
        self._lengths = array("q")
        self._problems: list[RowProblem] = []

    def add(self, row: Conversation, encoded: Encoded | WorkbenchError) -> None:
        self.rows += 1
        if isinstance(encoded, WorkbenchError):
            self._refused += 1
            self._keep(self._refused, error(row.line, "template-refuses", encoded.message, encoded.remedy, _head(row)))
            return
        length = len(encoded.input_ids) + encoded.cut
        trained = sum(encoded.trained)
        self._lengths.append(length)
        self._tokens += len(encoded.input_ids)
        self._trained += trained
        if not any(encoded.trained[1:]):
            self._untrained += 1
            self._keep(self._untrained, _teaches_nothing(row, length, self._max_length))
        elif encoded.cut:
            self._keep(self._cut + 1, _is_cut(row, length, self._max_length))
        elif not encoded.ends:
            self._unended += 1
            self._keep(self._unended, _has_no_end(row))
        self._cut += encoded.cut > 0
        if encoded.loses:
            self._lossy += 1
            self._keep(self._lossy, _loses(row, encoded.loses))

    def _keep(self, count: int, problem: RowProblem) -> None:
        if count <= _KEPT_A_KIND:
            self._problems.append(problem)

    def report(self) -> TokensReport:
        return TokensReport(
            rows=self.rows,
            tokens=self._tokens,
            trained_tokens=self._trained,
            longest=max(self._lengths, default=0),
            cut_rows=self._cut,
            untrained_rows=self._untrained,
            refused_rows=self._refused,
            unended_rows=self._unended,
            lossy_rows=self._lossy,
            lengths=histogram(self._lengths),
            packed_fill=packed_fill(self._lengths, self._max_length),
            problems=tuple(sorted(self._problems, key=lambda problem: problem.line or 0)),
        )


def packed_fill(lengths: Sequence[int], room: int) -> float:
    """How full batches of `room` tokens get when each row goes where it leaves the least space (best fit decreasing).

    Counted by lengths, not rows: as quick for a million rows as for a thousand.
    """
    if not lengths:
        return 0.0
    waiting: dict[int, int] = {}
    for length in lengths:
        waiting[min(length, room)] = waiting.get(min(length, room), 0) + 1
    free: dict[int, int] = {}
    batches = 0
    for length in sorted(waiting, reverse=True):
        left = waiting[length]
        for space in sorted(space for space in free if space >= length):
            placed = min(left, free[space])
            free[space] -= placed
            free[space - length] = free.get(space - length, 0) + placed
            left -= placed
            if not left:
                break
        while left:
            each = min(left, room // length)
            whole = left // each
            batches += whole
            free[room - each * length] = free.get(room - each * length, 0) + whole
            left -= whole * each
        free = {space: count for space, count in free.items() if count and space}
    return sum(min(length, room) for length in lengths) / (batches * room)


def _is_cut(row: Conversation, length: int, max_length: int) -> RowProblem:
    return warning(
        row.line,
        "cut",
        f"The row has {length:,} tokens; the last {length - max_length:,} are cut off.",
        "Raise the max length, or shorten the row.",
        _head(row),
    )


def _teaches_nothing(row: Conversation, length: int, max_length: int) -> RowProblem:
    if length > max_length:
        message = f"The row has {length:,} tokens, and its answer begins behind the first {max_length:,}."
        return warning(row.line, "untrained", message, "Raise the max length, or shorten the row.", _head(row))
    return warning(
        row.line,
        "untrained",
        "No token of the row is trained: the chat template leaves its answer out.",
        "Choose another template, or remove the row.",
        _head(row),
    )


def _has_no_end(row: Conversation) -> RowProblem:
    return warning(
        row.line,
        "no-end",
        "The trained part ends without an end-of-turn token.",
        "Choose a template that ends answers, or the model will not learn to stop.",
        _head(row),
    )


def _loses(row: Conversation, lost: str) -> RowProblem:
    return warning(
        row.line,
        "lost-content",
        "The chat template leaves out a part of the row.",
        "Look at the rendered row; choose another template if the part matters.",
        lost,
    )


def _head(row: Conversation) -> str:
    return row.text if row.text is not None else row.messages[0].content
