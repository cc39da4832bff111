"""A failure explained: which cause it was, what to do, and the settings a new attempt would be changed in."""

from __future__ import annotations

from typing import Any

from workbench.config import RunConfig
from workbench.records import Record
from workbench.records.runs import Run
from workbench.runs.causes import CAUSES, Cause


class Explanation(Record):
    """Why a run did not finish, for somebody who has not read its log."""

    cause: str
    """A stable short name; ``unexpected`` when no cause is known."""
    title: str
    detail: str
    """What the worker, or the supervisor, said itself."""
    remedy: str
    changes: dict[str, Any]
    """Settings by dotted field with which a retry may succeed; empty when none would help."""
    log_tail: str
    traceback: str = ""


def explain(run: Run, config: RunConfig, traceback: str = "") -> Explanation:
    """The explanation of a failed or interrupted `run`; `traceback` is what its last event holds."""
    cause = _cause(run, traceback)
    own_remedy = run.remedy if cause is None or run.cause == cause.name else ""
    return Explanation(
        cause=cause.name if cause else "unexpected",
        title=cause.title if cause else "The worker met something that nobody foresaw.",
        detail=run.problem,
        remedy=own_remedy or (cause.remedy if cause else "Read the end of the log; resume, or report it."),
        changes=cause.changes(config) if cause else {},
        log_tail=run.log_tail,
        traceback=traceback,
    )


def _cause(run: Run, traceback: str) -> Cause | None:
    named = next((cause for cause in CAUSES if cause.name == run.cause), None)
    if named is not None and named.name != "out-of-memory":  # which memory it was, the message says
        return named
    for text in (run.problem, traceback, run.log_tail):  # what was said outright counts for more than old log lines
        found = next((cause for cause in CAUSES if cause.left_its_mark(text)), None)
        if found is not None:
            return _sharpened(found, run)
    return named


def _sharpened(found: Cause, run: Run) -> Cause:
    """A death by signal is told by the supervisor; the worker's last lines may know what led to it."""
    if found.name not in ("killed", "crashed", "went-silent"):
        return found
    return next((cause for cause in CAUSES if cause.left_its_mark(run.log_tail) and cause.name != "killed"), found)
