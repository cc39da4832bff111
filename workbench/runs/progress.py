"""What a run's events tell, folded one by one: a pure function, whoever reads them and whenever.

When an attempt resumes from an earlier step, whatever came later in the attempts before it no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from workbench.events import (
    Answered,
    CheckpointRemoved,
    CheckpointSaved,
    Evaluated,
    Event,
    Failed,
    Finished,
    Phase,
    PhaseChanged,
    RanksMoved,
    Resumed,
    Started,
    StepLogged,
    Warned,
)
from workbench.records import Record

KEPT_WARNINGS = 20
_SMOOTHING = 0.1
"""Weight of the newest step in the mean seconds a step."""


class Progress(Record):
    """How far a run has come by its own account."""

    seq: int = 0
    """Of the last event folded in."""
    time: float | None = None
    """Of that event, Unix time."""
    resumed: int = 0
    """The seq of the last event that superseded earlier steps; 0 when none did."""
    started: Started | None = None
    phase: Phase | None = None
    phase_detail: str = ""
    phase_done: float | None = None
    step: int = 0
    last: StepLogged | None = None
    """The last logged step that counts."""
    seconds_per_step: float | None = None
    evaluations: tuple[Evaluated, ...] = ()
    saved: dict[str, float | None] = Field(default_factory=dict)
    """Eval loss by the name of the checkpoint."""
    warnings: tuple[str, ...] = ()
    ending: Finished | Failed | None = None


def advance(progress: Progress, event: Event) -> Progress:
    """`progress` after `event`; an event that was folded in before changes nothing."""
    if event.seq <= progress.seq:
        return progress
    return progress.model_copy(update={"seq": event.seq, "time": event.time, **_changes(progress, event)})


def last_failure(events: Iterable[Event]) -> Failed | None:
    """The last event that tells of a failure."""
    failure = None
    for event in events:
        if isinstance(event, Failed):
            failure = event
    return failure


def _changes(progress: Progress, event: Event) -> dict[str, Any]:
    match event:
        case PhaseChanged():
            return {"phase": event.phase, "phase_detail": event.detail, "phase_done": event.done}
        case Started():
            return {"started": event}
        case StepLogged():
            return {"step": event.step, "last": event, "seconds_per_step": _pace(progress, event)}
        case Evaluated():
            return {"evaluations": (*progress.evaluations, event)}
        case Answered() | RanksMoved():
            return {}
        case CheckpointSaved():
            return {"saved": {**progress.saved, event.name: event.eval_loss}}
        case CheckpointRemoved():
            return {"saved": {name: loss for name, loss in progress.saved.items() if name != event.name}}
        case Warned():
            text = f"{event.message} {event.remedy}".rstrip()
            return {"warnings": (*progress.warnings, text)[-KEPT_WARNINGS:]}
        case Resumed():
            return _back_to(progress, event)
        case Finished():
            return {"ending": event, "step": event.step}
        case Failed():
            return {"ending": event}


def _back_to(progress: Progress, event: Resumed) -> dict[str, Any]:
    return {
        "resumed": event.seq,
        "step": event.step,
        "last": progress.last if progress.last is not None and progress.last.step <= event.step else None,
        "evaluations": tuple(done for done in progress.evaluations if done.step <= event.step),
    }


def _pace(progress: Progress, event: StepLogged) -> float | None:
    """Mean seconds a step, the recent ones weighing more; from the worker's own count, which no clock moves."""
    if progress.last is None or event.step <= progress.last.step:
        return progress.seconds_per_step
    newest = (event.elapsed - progress.last.elapsed) / (event.step - progress.last.step)
    if newest <= 0:
        return progress.seconds_per_step
    before = progress.seconds_per_step
    return newest if before is None else before + _SMOOTHING * (newest - before)
