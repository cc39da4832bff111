"""Problems in words: all of them in one box, each with what to do next."""

from __future__ import annotations

import html
from collections.abc import Sequence

from workbench.errors import Problem


def problem_list(problems: Sequence[Problem], heading: str) -> str:
    """An alert that lists `problems`; empty when there are none."""
    if not problems:
        return ""
    items = "".join(_item(problem) for problem in problems)
    return f'<div class="lw-problems" role="alert"><strong>{html.escape(heading)}</strong><ul>{items}</ul></div>'


def _item(problem: Problem) -> str:
    place = _place(problem)
    before = f'<span class="lw-place">{html.escape(place)}</span> ' if place else ""
    remedy = f' <span class="lw-remedy">{html.escape(problem.remedy)}</span>' if problem.remedy else ""
    return f"<li>{before}{html.escape(problem.message)}{remedy}</li>"


def _place(problem: Problem) -> str:
    if problem.line is not None:
        return f"Line {problem.line}:"
    return problem.field.rpartition(".")[2].replace("_", " ").capitalize() + ":" if problem.field else ""
