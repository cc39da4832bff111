"""The chosen dataset: how many rows, what the first ones say, and what is wrong with others."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

from workbench.numbers import size
from workbench.records.datasets import Conversation, Dataset, RowProblem

SHOWN_CHARACTERS = 280
SHOWN_PROBLEMS = 12


def choice(dataset: Dataset) -> tuple[str, str]:
    """The dataset as one line of a menu, and its id."""
    return f"{dataset.name} · {dataset.rows:,} rows", dataset.id


def dataset_card(dataset: Dataset, first: Sequence[Conversation], problems: Sequence[RowProblem]) -> str:
    """Facts, the first rows as conversations, and the rows that have problems."""
    facts = [f"{dataset.rows:,} rows", f"format {dataset.format}", size(dataset.bytes)]
    if dataset.refused:
        facts.insert(1, f"{dataset.refused:,} cannot be used")
    if dataset.licence:
        facts.append(dataset.licence)
    rows = "".join(_row(conversation) for conversation in first)
    source = f'<p class="lw-note">Source: {html.escape(dataset.source)}</p>' if dataset.source else ""
    return (
        f'<p class="lw-line">{html.escape(" · ".join(facts))}</p>{row_problems(problems)}'
        f'<div class="lw-rows" role="list" aria-label="The first rows">{rows}</div>{source}'
    )


def row_problems(problems: Sequence[RowProblem]) -> str:
    """The rows with problems, errors first; the kinds counted when they are many."""
    if not problems:
        return ""
    ordered = sorted(problems, key=lambda problem: (problem.severity != "error", problem.line or 0))
    items = "".join(_problem(problem) for problem in ordered[:SHOWN_PROBLEMS])
    return (
        f'<details class="lw-row-problems"{" open" if len(problems) <= SHOWN_PROBLEMS else ""}>'
        f"<summary>{_summary(problems)}</summary><ul>{items}</ul></details>"
    )


def _summary(problems: Sequence[RowProblem]) -> str:
    counts = Counter(problem.severity for problem in problems)
    words = [
        f"{number:,} {word if number == 1 else word + 's'}"
        for word, number in (("error", counts["error"]), ("warning", counts["warning"]))
        if number
    ]
    return " and ".join(words) + " in this file"


def _problem(problem: RowProblem) -> str:
    place = f"Line {problem.line}: " if problem.line is not None else ""
    excerpt = f"<code>{html.escape(problem.excerpt)}</code>" if problem.excerpt else ""
    return (
        f'<li class="lw-{problem.severity}"><span class="lw-place">{place}</span>{html.escape(problem.message)} '
        f'<span class="lw-remedy">{html.escape(problem.remedy)}</span>{excerpt}</li>'
    )


def _row(conversation: Conversation) -> str:
    turns: list[tuple[str, str]] = [(message.role, message.content) for message in conversation.messages]
    if conversation.text is not None:
        turns.append(("text", conversation.text))
    said = "".join(
        f'<p><span class="lw-role lw-role-{role}">{role}</span>{html.escape(_shortened(text))}</p>'
        for role, text in turns
    )
    return (
        f'<div class="lw-row" role="listitem"><span class="lw-line-number">line {conversation.line}</span>{said}</div>'
    )


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1].rstrip() + "…"
