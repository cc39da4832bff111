"""What a run's state is, decided from its history and its events alone."""

from __future__ import annotations

import pytest
from fake_worker import logged

from workbench.config import RunConfig
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    Evaluated,
    Event,
    Failed,
    Finished,
    Phase,
    PhaseChanged,
    Resumed,
    Started,
    Warned,
)
from workbench.records.runs import Checkpoint, RunStatus
from workbench.runs.history import Cancelled, Entry, Interrupted, Launched, Queued, StopAsked, Worker
from workbench.runs.labels import Labels
from workbench.runs.progress import KEPT_WARNINGS, Progress, advance
from workbench.runs.summary import Account, Life, status_of, summarise

QUEUED = Queued(time=1)
WORKER = Worker(executor="local", pid=1, mark="m", host="h")
DEAD = Interrupted(time=9, message="Gone.", remedy="Resume.", log_tail="tail")
PHASE = PhaseChanged(phase=Phase.TRAINING)
DONE = Finished(step=3, stopped=False)
BROKEN = Failed(message="Broke.", remedy="Mend.", cause="broken")


def launched(after: int = 0) -> Launched:
    return Launched(time=5, worker=WORKER, after=after)


def folded(*events: Event) -> Progress:
    progress = Progress()
    for seq, event in enumerate(events, 1):
        progress = advance(progress, event.model_copy(update={"seq": seq, "time": 100.0 + seq}))
    return progress


STATES: list[tuple[list[Entry], list[Event], RunStatus]] = [
    ([QUEUED], [], RunStatus.QUEUED),
    ([QUEUED], [PHASE, DONE], RunStatus.FINISHED),
    ([QUEUED, QUEUED], [PHASE, BROKEN], RunStatus.QUEUED),
    ([QUEUED, launched()], [], RunStatus.STARTING),
    ([QUEUED, launched()], [PHASE], RunStatus.RUNNING),
    ([QUEUED, launched(), StopAsked(time=6)], [PHASE], RunStatus.STOPPING),
    ([QUEUED, launched(), StopAsked(time=6)], [PHASE, Finished(step=3, stopped=True)], RunStatus.STOPPED),
    ([QUEUED, launched(), StopAsked(time=6)], [PHASE, DONE], RunStatus.FINISHED),
    ([QUEUED, launched()], [PHASE, BROKEN], RunStatus.FAILED),
    ([QUEUED, launched(), DEAD], [PHASE], RunStatus.INTERRUPTED),
    ([QUEUED, launched(), DEAD], [PHASE, DONE], RunStatus.FINISHED),
    ([QUEUED, Cancelled(time=2)], [], RunStatus.STOPPED),
    ([QUEUED, launched(), DEAD, QUEUED], [PHASE], RunStatus.QUEUED),
    ([QUEUED, launched(), DEAD, QUEUED, Cancelled(time=9)], [PHASE], RunStatus.STOPPED),
    ([QUEUED, launched(), QUEUED, launched(after=2)], [PHASE, BROKEN], RunStatus.STARTING),
    ([QUEUED, launched(), QUEUED, launched(after=2)], [PHASE, BROKEN, PHASE], RunStatus.RUNNING),
    ([QUEUED, launched(), DEAD, QUEUED, launched(after=1)], [PHASE, PHASE], RunStatus.RUNNING),
    ([], [PHASE], RunStatus.INTERRUPTED),
    ([], [PHASE, DONE], RunStatus.FINISHED),
]


@pytest.mark.parametrize(("history", "events", "status"), STATES)
def test_status(history: list[Entry], events: list[Event], status: RunStatus) -> None:
    assert status_of(history, folded(*events)) is status


def account(history: list[Entry], progress: Progress, **more: object) -> Account:
    facts = {"run_id": "one", "config": RunConfig(), "labels": Labels(name="n"), "history": history}
    return Account(**facts, progress=progress, **more)  # type: ignore[arg-type]


def test_time_left_follows_the_workers_own_pace() -> None:
    started = Started(total_steps=100, trainable=7, base_parameters=9, train_rows=1, validation_rows=1)
    run = summarise(account([QUEUED, launched()], folded(started, PHASE, *(logged(step) for step in range(1, 21)))))
    assert run.seconds_left == pytest.approx(80 * 0.1)
    assert (run.total_steps, run.trainable, run.phase, run.step) == (100, 7, "training", 20)
    over = summarise(account([QUEUED, launched(), DEAD], folded(started, logged(1))))
    assert (over.seconds_left, over.phase, over.log_tail, over.cause) == (None, "", "tail", "interrupted")


def test_the_best_evaluation_is_taken_among_those_that_count() -> None:
    events: list[Event] = [
        Evaluated(step=5, loss=2.0, tokens=1),
        Evaluated(step=10, loss=1.0, tokens=1),
        Resumed(step=5),
        Evaluated(step=10, loss=1.5, tokens=1),
        Evaluated(step=15, loss=1.7, tokens=1),
    ]
    run = summarise(account([QUEUED, launched()], folded(*events)))
    assert (run.best_eval_loss, run.eval_loss) == (1.5, 1.7)


def test_checkpoints_carry_the_loss_they_were_saved_with() -> None:
    events: list[Event] = [
        CheckpointSaved(step=5, name="checkpoint-5", bytes=1, eval_loss=2.0),
        CheckpointSaved(step=9, name="checkpoint-9", bytes=1, eval_loss=1.0),
        CheckpointRemoved(name="checkpoint-5"),
    ]
    progress = folded(*events)
    assert progress.saved == {"checkpoint-9": 1.0}
    on_disk = (Checkpoint(name="checkpoint-9", step=9, bytes=4),)
    assert summarise(account([QUEUED], progress, checkpoints=on_disk)).checkpoints[0].eval_loss == 1.0


def test_a_clock_set_back_ends_no_run_before_it_began() -> None:
    late = Launched(time=1000.0, worker=WORKER, after=0)
    run = summarise(account([QUEUED, late], folded(PHASE, DONE)))
    assert (run.started, run.ended) == (1000.0, 1000.0)


def test_only_the_last_warnings_are_kept() -> None:
    run = summarise(account([QUEUED], folded(*(Warned(message=f"w{n}.", remedy="Do.") for n in range(50)))))
    assert len(run.warnings) == KEPT_WARNINGS
    assert run.warnings[-1] == "w49. Do."


def test_only_an_active_run_is_stalled() -> None:
    life = Life(updated=4.0, stalled=True)
    assert summarise(account([QUEUED, launched()], folded(PHASE), life=life)).stalled
    assert not summarise(account([QUEUED, launched(), DEAD], folded(PHASE), life=life)).stalled


def test_an_event_that_was_folded_before_changes_nothing() -> None:
    progress = folded(logged(1), logged(2))
    assert advance(progress, logged(1).model_copy(update={"seq": 2})) is progress
