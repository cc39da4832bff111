"""One run as lists and pages show it: what was asked, what the server did and what the worker told, put together.

Pure: the status of a run is decided here and nowhere else. The worker's last words count for more than what the
server thought of its silence, and every attempt is judged by the events that came after its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.config import RunConfig
from workbench.events import Failed, Finished, Phase
from workbench.records.runs import Checkpoint, Run, RunStatus
from workbench.runs.history import Cancelled, Entry, Interrupted, Launched, Queued, StopAsked
from workbench.runs.labels import Labels
from workbench.runs.progress import Progress


@dataclass(frozen=True)
class Life:
    """What the supervisor sees of a worker at this moment."""

    updated: float | None = None
    """Unix time at which its heart was last seen to beat."""
    stalled: bool = False
    memory: int | None = None
    """Bytes that its process takes."""


@dataclass(frozen=True)
class Account:
    """Everything that is known of a run."""

    run_id: str
    config: RunConfig
    labels: Labels
    history: Sequence[Entry]
    progress: Progress
    checkpoints: Sequence[Checkpoint] = ()
    log_tail: str = ""
    life: Life = field(default_factory=Life)


def attempt(history: Sequence[Entry]) -> Launched | None:
    """The newest attempt; None when the run waits for one, or never had one."""
    for entry in reversed(history):
        if isinstance(entry, Launched):
            return entry
        if isinstance(entry, Queued | Cancelled):
            return None
    return None


def ending(history: Sequence[Entry], progress: Progress) -> Finished | Failed | None:
    """The last words of the newest attempt; one that no supervisor started counts until the run is asked for again."""
    launched = attempt(history)
    if launched is None:
        return progress.ending if len(history) <= 1 else None
    return progress.ending if progress.ending is not None and progress.ending.seq > launched.after else None


def status_of(history: Sequence[Entry], progress: Progress) -> RunStatus:
    """Where a run stands. A folder that came without a history stands where its events left it."""
    words = ending(history, progress)
    if words is not None:
        return _ended(words)
    launched = attempt(history)
    if launched is None:
        last = history[-1] if history else None
        if isinstance(last, Cancelled):
            return RunStatus.STOPPED
        return RunStatus.QUEUED if last is not None else RunStatus.INTERRUPTED
    since = history[list(history).index(launched) :]
    if any(isinstance(entry, Interrupted) for entry in since):
        return RunStatus.INTERRUPTED
    if any(isinstance(entry, StopAsked) for entry in since):
        return RunStatus.STOPPING
    return RunStatus.RUNNING if progress.seq > launched.after else RunStatus.STARTING


def _ended(words: Finished | Failed) -> RunStatus:
    if isinstance(words, Failed):
        return RunStatus.FAILED
    return RunStatus.STOPPED if words.stopped else RunStatus.FINISHED


def summarise(account: Account) -> Run:
    """The run that `account` tells of."""
    labels, progress = account.labels, account.progress
    status = status_of(account.history, progress)
    begun = [entry.time for entry in account.history if isinstance(entry, Launched)]
    return Run(
        id=account.run_id,
        name=labels.name or account.run_id,
        note=labels.note,
        tags=labels.tags,
        pin=labels.pin,
        archived=labels.archived,
        status=status,
        created=account.history[0].time if account.history else 0.0,
        started=begun[0] if begun else None,
        ended=_ended_at(account) if status.over else None,
        updated=_updated(account, status),
        stalled=account.life.stalled and status.active,
        attempts=len(begun),
        continues=next((entry.continues for entry in account.history if isinstance(entry, Queued)), None),
        warnings=progress.warnings,
        checkpoints=tuple(
            checkpoint.model_copy(update={"eval_loss": progress.saved.get(checkpoint.name)})
            for checkpoint in account.checkpoints
        ),
        **_asked(account.config),
        **_reached(account),
        **(_doing(account) if status.active else {}),
        **_problem(account, status),
    )


def _asked(config: RunConfig) -> dict[str, Any]:
    """What of its config a list shows."""
    method, targets = config.method, getattr(config.method, "target_modules", "")
    return {
        "base_model": config.base_model,
        "dataset": config.data.dataset,
        "method": method.kind,
        "rank": getattr(method, "rank", None),
        "alpha": getattr(method, "alpha", None),
        "target_modules": targets if isinstance(targets, str) else ", ".join(targets),
    }


def _reached(account: Account) -> dict[str, Any]:
    """How far it came; the names of a step's measures are those of a run."""
    progress = account.progress
    losses = [done.loss for done in progress.evaluations]
    measures = ("epoch", "loss", "tokens", "tokens_per_second", "elapsed", "memory_bytes")
    return {
        "step": progress.step,
        "total_steps": _total_steps(account),
        "trainable": progress.started.trainable if progress.started else None,
        "eval_loss": losses[-1] if losses else None,
        "best_eval_loss": min(losses, default=None),
        **({name: getattr(progress.last, name) for name in measures} if progress.last else {}),
    }


def _doing(account: Account) -> dict[str, Any]:
    """What its worker is busy with."""
    progress, total = account.progress, _total_steps(account)
    launched = attempt(account.history)
    if launched is not None and progress.seq <= launched.after:
        return {"phase": Phase.STARTING.value, "lane": launched.lane}  # what earlier attempts were busy with is over
    pace = progress.seconds_per_step
    return {
        "lane": launched.lane if launched is not None else "",
        "process_bytes": account.life.memory,
        "phase": progress.phase.value if progress.phase else "",
        "phase_detail": progress.phase_detail,
        "phase_done": progress.phase_done,
        "seconds_left": None if pace is None or total is None else max(0, total - progress.step) * pace,
    }


def _total_steps(account: Account) -> int | None:
    started = account.progress.started
    return started.total_steps if started else account.config.training.max_steps


def _ended_at(account: Account) -> float | None:
    words = ending(account.history, account.progress)
    began = [entry.time for entry in account.history if isinstance(entry, Launched)]
    end = words.time if words else account.history[-1].time if account.history else account.progress.time
    return max(end, began[-1]) if end is not None and began else end  # a clock set back ends no run before it began


def _updated(account: Account, status: RunStatus) -> float | None:
    if status.active:
        return account.life.updated or account.progress.time
    return _ended_at(account) if status.over else None


def _problem(account: Account, status: RunStatus) -> dict[str, Any]:
    words = ending(account.history, account.progress)
    if isinstance(words, Failed):
        told = {"problem": words.message, "remedy": words.remedy, "cause": words.cause}
        return {**told, "field_problems": words.field_problems, "log_tail": account.log_tail}
    if status is not RunStatus.INTERRUPTED:
        return {}
    silence = next((entry for entry in reversed(account.history) if isinstance(entry, Interrupted)), None)
    if silence is None:
        return {"problem": "Nothing is known of how this run ended.", "remedy": "Resume it.", "cause": "interrupted"}
    told = {"problem": silence.message, "remedy": silence.remedy, "cause": "interrupted"}
    return {**told, "log_tail": silence.log_tail}
