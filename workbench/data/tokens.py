"""What a dataset becomes in tokens, row by row: how many are trained, which rows are cut, and which teach nothing.

The worker logs what it finds before it trains, the engine answers pages with it. Knows no file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.data.rendering import TrainOn, encode
from workbench.errors import WorkbenchError
from workbench.formats.turns import error, warning
from workbench.records import Conversation, Record, RowProblem

_KEPT_A_KIND = 100


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
    problems: tuple[RowProblem, ...]
    """The first of each kind, with their lines."""


def tokens_report(
    conversations: Iterable[Conversation], tokenizer: Any, max_length: int, train_on: TrainOn = "assistant"
) -> TokensReport:
    """Count `conversations` in tokens as a run with these settings would see them."""
    rows = tokens = trained_tokens = longest = cut = untrained = refused = 0
    problems: list[RowProblem] = []
    for row in conversations:
        rows += 1
        try:
            encoded = encode(row, tokenizer, train_on=train_on, max_length=max_length)
        except WorkbenchError as fault:
            refused += 1
            if refused <= _KEPT_A_KIND:
                problems.append(error(row.line, "template-refuses", fault.message, fault.remedy, _beginning(row)))
            continue
        length = len(encoded.input_ids) + encoded.cut
        trained = sum(encoded.trained)
        tokens += len(encoded.input_ids)
        trained_tokens += trained
        longest = max(longest, length)
        cut += encoded.cut > 0
        untrained += trained == 0
        if trained == 0 and untrained <= _KEPT_A_KIND:
            problems.append(_teaches_nothing(row, length, max_length))
        elif encoded.cut and cut <= _KEPT_A_KIND:
            problems.append(_is_cut(row, length, max_length))
    return TokensReport(
        rows=rows,
        tokens=tokens,
        trained_tokens=trained_tokens,
        longest=longest,
        cut_rows=cut,
        untrained_rows=untrained,
        refused_rows=refused,
        problems=tuple(problems),
    )


def _is_cut(row: Conversation, length: int, max_length: int) -> RowProblem:
    return warning(
        row.line,
        "cut",
        f"The row has {length:,} tokens; the last {length - max_length:,} are cut off.",
        "Raise the max length, or shorten the row.",
        _beginning(row),
    )


def _teaches_nothing(row: Conversation, length: int, max_length: int) -> RowProblem:
    if length > max_length:
        message = (
            f"The row has {length:,} tokens, and its answer lies beyond the first {max_length:,}: it teaches nothing."
        )
        return warning(row.line, "untrained", message, "Raise the max length, or shorten the row.", _beginning(row))
    return warning(
        row.line,
        "untrained",
        "No token of the row is trained: the chat template leaves its answer out.",
        "Choose another template, or remove the row.",
        _beginning(row),
    )


def _beginning(row: Conversation) -> str:
    return row.text if row.text is not None else row.messages[0].content
