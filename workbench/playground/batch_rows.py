"""The table of a batch, a page at a time: searched, narrowed down, ordered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from workbench.playground.batch_figures import Scorer
from workbench.playground.batch_folder import BatchFolder, Key
from workbench.playground.batch_records import BatchAnswer, BatchRow, BatchRows, Cell

MOST_ROWS = 200
Show = Literal["all", "different", "errors"]


def batch_rows(
    folder: BatchFolder, scorer: Scorer, *, skip: int = 0, limit: int = 25, search: str = "", show: Show = "all"
) -> BatchRows:
    """The rows that hold `search` somewhere; `show` keeps those whose answers differ, or failed."""
    answers = folder.known()
    fitting = [row for row in range(len(folder.prompts)) if _fits(folder, answers, row, search.casefold(), show)]
    page = fitting[max(0, skip) : max(0, skip) + max(1, min(limit, MOST_ROWS))]
    return BatchRows(rows=tuple(_row(folder, scorer, answers, row) for row in page), found=len(fitting))


def all_rows(folder: BatchFolder, scorer: Scorer) -> Iterator[BatchRow]:
    """Every row."""
    answers = folder.known()
    return (_row(folder, scorer, answers, row) for row in range(len(folder.prompts)))


def _fits(folder: BatchFolder, answers: dict[Key, BatchAnswer], row: int, search: str, show: Show) -> bool:
    panes = len(folder.batch.request.panes)
    given = [answer for pane in range(panes) if (answer := answers.get((row, pane))) is not None]
    if show == "errors" and not any(answer.problem for answer in given):
        return False
    if show == "different" and len({answer.text.strip() for answer in given if not answer.problem}) < 2:
        return False
    if not search:
        return True
    prompt = folder.prompts[row]
    said = [message.content for message in prompt.messages] + [prompt.reference or ""]
    return any(search in text.casefold() for text in (*said, *(answer.text for answer in given)))


def _row(folder: BatchFolder, scorer: Scorer, answers: dict[Key, BatchAnswer], row: int) -> BatchRow:
    prompt = folder.prompts[row]
    given = (answers.get((row, pane)) for pane in range(len(folder.batch.request.panes)))
    return BatchRow(
        row=row,
        line=prompt.line,
        messages=prompt.messages,
        reference=prompt.reference,
        cells=tuple(None if answer is None else Cell(answer=answer, scores=scorer.scores(answer)) for answer in given),
    )
