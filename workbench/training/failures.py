"""How an attempt ended: from whatever was raised to a cause, a sentence and what to do next.

Free of torch, so that even a torch that cannot be imported is told of.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from workbench.errors import WorkbenchError
from workbench.events import Failed, Finished, Phase
from workbench.runs.folder import RunFolder
from workbench.training.report import Report
from workbench.training.stopping import Stopped

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("No space left on device", "File too large", "Disk quota exceeded", "PytorchStreamWriter failed")
_MEMORY_WORDS = (
    "DefaultCPUAllocator",
    "not enough memory",
    "out of memory",
    "Cannot allocate memory",
    "unable to mmap",
)

_REFUSALS = {
    Phase.FETCHING_MODEL: "model-unreachable",
    Phase.PREPARING_DATA: "data-unusable",
}
"""The cause of a refusal that names none itself, by the phase it came in."""


class TrainingFailure(WorkbenchError):
    """A refusal that knows its own cause."""

    def __init__(self, cause: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.cause = cause


class Outcome:
    """Around an attempt: whatever ends it early becomes its last event; only a wish to stop is no failure."""

    def __init__(self, folder: RunFolder, report: Report) -> None:
        self._folder = folder
        self._report = report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if isinstance(error, Stopped):
            saved = (checkpoint.step for checkpoint in self._folder.checkpoints())
            self._report.write(Finished(step=max(saved, default=0), stopped=True))
            return True
        self._report.write(explain(error, self._report.phase))
        return False


def explain(error: BaseException, phase: Phase) -> Failed:
    """The event that tells of `error`, which was raised in `phase`."""
    trace = "".join(traceback.format_exception(error))
    links = list(_chain(error))
    if isinstance(error, TrainingFailure):
        problem = error.problems[-1]
        return Failed(cause=error.cause, message=problem.message, remedy=problem.remedy, traceback=trace)
    if any(map(is_memory, links)):
        return _out_of_memory(trace)
    if any(map(_is_full, links)):
        return _disk_full(phase, trace)
    refusal = next((link for link in links if isinstance(link, WorkbenchError)), None)
    if refusal is not None:
        message = "\n".join(problem.message for problem in refusal.problems)
        return Failed(
            cause=_cause_of(refusal, phase),
            message=message,
            remedy=refusal.problems[-1].remedy,
            field_problems=tuple(problem for problem in refusal.problems if problem.field),
            traceback=trace,
        )
    return Failed(
        cause="unexpected",
        message=f"The worker stopped while {phase.value}: {type(error).__name__}: {error}",
        remedy="The traceback names the place; the last checkpoint is whole, and the run can be resumed from it.",
        traceback=trace,
    )


def _cause_of(refusal: WorkbenchError, phase: Phase) -> str:
    """Its own, or that of the settings it names, or of the phase it came in."""
    if isinstance(refusal, TrainingFailure):
        return refusal.cause
    if any((problem.field or "").startswith(("method.", "training.")) for problem in refusal.problems):
        return "settings-refused"
    return _REFUSALS.get(phase, "refused")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def is_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _MEMORY_WORDS)


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(word in str(error) for word in _FULL_WORDS)


def _out_of_memory(trace: str) -> Failed:
    return Failed(
        cause="out-of-memory",
        message="The machine ran out of memory.",
        remedy="Halve the batch size and double gradient accumulation (the same effective batch), shorten the maximum "
        "length, or lower the rank; then resume or start again.",
        traceback=trace,
    )


def _disk_full(phase: Phase, trace: str) -> Failed:
    return Failed(
        cause="disk-full",
        message=f"The disk is full, or a quota is reached, while {phase.value}.",
        remedy="Free some space, then resume: the last whole checkpoint is still valid.",
        traceback=trace,
    )
