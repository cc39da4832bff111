"""Finding and ordering runs by what a list shows of them. Pure; knows no index.

A query is words. A plain word must stand somewhere in what is shown; ``status:failed`` or ``tag:x`` looks at one field;
``rank>=8`` and ``eval_loss<2`` compare; ``is:pinned``, ``is:archived``, ``is:active``, ``is:stalled`` ask for a mark.
A minus turns any of them round. Archived runs are found only when they are asked for.
"""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

from workbench.errors import WorkbenchError
from workbench.records.runs import Run

Test = Callable[[Run], bool]

TEXTS: dict[str, Callable[[Run], Iterable[str]]] = {
    "id": lambda run: (run.id,),
    "name": lambda run: (run.name,),
    "note": lambda run: (run.note,),
    "tag": lambda run: run.tags,
    "status": lambda run: (run.status.value,),
    "model": lambda run: (run.base_model,),
    "dataset": lambda run: (run.dataset,),
    "method": lambda run: (run.method,),
    "targets": lambda run: (run.target_modules,),
    "cause": lambda run: (run.cause,),
    "continues": lambda run: (run.continues or "",),
}
NUMBERS: dict[str, Callable[[Run], float | None]] = {
    "rank": lambda run: run.rank,
    "alpha": lambda run: run.alpha,
    "trainable": lambda run: run.trainable,
    "step": lambda run: run.step,
    "loss": lambda run: run.loss,
    "eval_loss": lambda run: run.eval_loss,
    "best_eval_loss": lambda run: run.best_eval_loss,
    "tokens_per_second": lambda run: run.tokens_per_second,
    "duration": lambda run: duration(run),
    "created": lambda run: run.created,
}
MARKS: dict[str, Test] = {
    "pinned": lambda run: run.pin,
    "archived": lambda run: run.archived,
    "active": lambda run: run.status.active,
    "over": lambda run: run.status.over,
    "stalled": lambda run: run.stalled,
    "any": lambda run: True,
}
_COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
_COMPARED = re.compile(r"(?P<name>\w+)(?P<sign>>=|<=|>|<|=)(?P<value>[-+.\de]+)")
_SHOWN = ("id", "name", "note", "tag", "status", "model", "dataset", "method", "targets")


def duration(run: Run) -> float | None:
    """Seconds from the start of its first worker to its end, or to its last sign of life."""
    end = run.ended or run.updated
    return max(0.0, end - run.started) if run.started is not None and end is not None else None


def find(runs: Iterable[Run], query: str = "", sort: str = "-created") -> list[Run]:
    """The runs that `query` finds, pinned ones first, ordered by `sort` (a minus: the largest first).

    A run that has no such value comes last either way. Raises `WorkbenchError` for an order that there is not.
    """
    tests = [_test(term) for term in _terms(query)]
    hidden = not re.search(r"\bis:(archived|any)\b", query)
    found = [run for run in runs if not (hidden and run.archived) and all(test(run) for test in tests)]
    return sorted(_sorted(found, sort), key=lambda run: not run.pin)


def _terms(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:  # an open quote: it is still being typed
        return query.replace('"', " ").replace("'", " ").split()


def _test(term: str) -> Test:
    if term.startswith("-") and len(term) > 1:
        turned = _test(term[1:])
        return lambda run: not turned(run)
    name, colon, value = term.partition(":")
    if colon and name == "is" and value in MARKS:
        return MARKS[value]
    if colon and name in TEXTS:
        read, wanted = TEXTS[name], value.casefold()
        return lambda run: any(wanted in text.casefold() for text in read(run))
    compared = _COMPARED.fullmatch(term)
    if compared and compared["name"] in NUMBERS:
        return _comparison(compared["name"], compared["sign"], compared["value"])
    word = term.casefold()
    return lambda run: any(word in text.casefold() for field in _SHOWN for text in TEXTS[field](run))


def _comparison(name: str, sign: str, text: str) -> Test:
    read, holds = NUMBERS[name], _COMPARISONS[sign]
    try:
        bound = float(text)
    except ValueError:
        return lambda run: False

    def test(run: Run) -> bool:
        value = read(run)
        return value is not None and bool(holds(value, bound))

    return test


def _sorted(runs: list[Run], sort: str) -> list[Run]:
    name = sort.removeprefix("-")
    read = _order(name)
    known = [run for run in runs if read(run) not in (None, "")]
    unknown = [run for run in runs if read(run) in (None, "")]
    return sorted(known, key=read, reverse=sort.startswith("-")) + unknown


def _order(name: str) -> Callable[[Run], Any]:
    if name in NUMBERS:
        return NUMBERS[name]
    if name in TEXTS:
        read = TEXTS[name]
        return lambda run: " ".join(read(run)).casefold()
    raise WorkbenchError(f"Runs cannot be ordered by “{name}”.", remedy=f"Choose one of {', '.join(NUMBERS | TEXTS)}.")
