"""Runs from submit to end, by a real supervisor over real processes that train nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from fake_worker import loss_at
from runs_kit import IMPATIENT, OVER, end_workers, executor, fake_config, wait_for, wait_until, worker_pid

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs
from workbench.runs.executors.local import COMMAND, LocalExecutor


@pytest.fixture
def runs(home: Home) -> Iterator[Runs]:
    service = Runs(home, executor(), IMPATIENT)
    service.start()
    try:
        yield service
    finally:
        service.close()
        end_workers(service)


def submit(runs: Runs, behaviour: str) -> Run:
    return runs.submit(fake_config(behaviour))


def test_a_run_goes_from_queued_to_finished(runs: Runs) -> None:
    before = runs.changed()
    queued = submit(runs, "steps=12")
    assert queued.status is RunStatus.QUEUED
    run = wait_for(runs, queued.id, *OVER)
    assert run.status is RunStatus.FINISHED
    assert (run.step, run.total_steps, run.trainable, run.attempts) == (12, 12, 1000, 1)
    assert run.loss == loss_at(12)
    assert run.best_eval_loss == loss_at(10) + 0.5
    assert [saved.name for saved in run.checkpoints] == ["checkpoint-5", "checkpoint-10"]
    assert run.checkpoints[1].eval_loss == run.best_eval_loss
    assert run.created <= (run.started or 0) <= (run.ended or 0)
    assert run.phase == ""
    assert runs.changed() > before
    assert runs.config(run.id) == fake_config("steps=12")


def test_metrics_come_as_columns_and_only_once(runs: Runs) -> None:
    run_id = submit(runs, "steps=20 pause=0.03").id
    seen: list[int] = []
    cursor = 0
    while len(seen) < 20:
        delta = runs.metrics(run_id, cursor)
        assert not delta.reset
        assert delta.cursor >= cursor
        cursor = delta.cursor
        seen += delta.steps.step
        time.sleep(0.05)
    assert seen == list(range(1, 21))
    whole = runs.metrics(run_id)
    assert whole.steps.loss == tuple(map(loss_at, range(1, 21)))
    assert whole.evaluations.step == (5, 10, 15, 20)


def test_one_worker_at_a_time_in_the_order_of_the_queue(runs: Runs, home: Home) -> None:
    first, second, third = (submit(runs, "steps=8 pause=0.02") for _ in range(3))
    assert home.queue.read_text().split()[-2:] == [second.id, third.id]
    done = [wait_for(runs, run.id, RunStatus.FINISHED) for run in (first, second, third)]
    spans = [(run.started or 0, run.ended or 0) for run in done]
    assert spans[0][1] <= spans[1][0] <= spans[1][1] <= spans[2][0]
    assert home.queue.read_text() == ""


def test_a_queued_run_is_stopped_without_a_worker_and_may_be_resumed(runs: Runs) -> None:
    first = submit(runs, "steps=30 pause=0.02")
    second = submit(runs, "steps=3")
    stopped = runs.stop(second.id)
    assert (stopped.status, stopped.attempts) == (RunStatus.STOPPED, 0)
    assert runs.resume(second.id).status is RunStatus.QUEUED
    wait_for(runs, first.id, RunStatus.FINISHED)
    assert wait_for(runs, second.id, RunStatus.FINISHED).attempts == 1


def test_stop_saves_and_resume_goes_on(runs: Runs) -> None:
    run_id = submit(runs, "steps=60 pause=0.03").id
    wait_until(runs, run_id, lambda run: run.step >= 7)
    assert runs.stop(run_id).status is RunStatus.STOPPING
    stopped = wait_for(runs, run_id, *OVER)
    assert stopped.status is RunStatus.STOPPED
    assert stopped.checkpoints[-1].step == stopped.step
    assert runs.resume(run_id).status is RunStatus.QUEUED
    finished = wait_for(runs, run_id, *OVER)
    assert (finished.status, finished.step, finished.attempts) == (RunStatus.FINISHED, 60, 2)
    assert runs.metrics(run_id).steps.step == tuple(range(1, 61))


def test_resume_drops_the_later_steps_of_the_attempt_before(runs: Runs) -> None:
    run_id = submit(runs, "steps=14 save=5 at=8 then=die").id
    dead = wait_for(runs, run_id, *OVER)
    assert (dead.status, dead.step) == (RunStatus.INTERRUPTED, 8)
    assert "SIGKILL" in dead.problem
    assert "checkpoint-5" in dead.remedy
    assert "at step 8: die" in dead.log_tail
    seen = runs.metrics(run_id)
    assert seen.steps.step == tuple(range(1, 9))
    runs.resume(run_id)
    wait_for(runs, run_id, RunStatus.FINISHED)
    again = runs.metrics(run_id, seen.cursor)
    assert again.reset
    assert again.steps.step == tuple(range(1, 15))
    assert again.steps.loss == tuple(map(loss_at, range(1, 15)))
    assert not runs.metrics(run_id, again.cursor).reset


def test_a_failure_is_told_in_the_workers_words(runs: Runs) -> None:
    run = wait_for(runs, submit(runs, "steps=9 at=4 then=fail").id, *OVER)
    assert (run.status, run.problem, run.remedy, run.cause) == (RunStatus.FAILED, "It broke.", "Mend it.", "broken")
    assert "at step 4: fail" in run.log_tail


def test_a_worker_that_leaves_without_a_word_is_noticed(runs: Runs) -> None:
    run = wait_for(runs, submit(runs, "steps=9 at=4 then=exit").id, *OVER)
    assert run.status is RunStatus.INTERRUPTED
    assert "exit code 3" in run.problem


def test_a_worker_that_ends_before_its_first_event_is_noticed(runs: Runs) -> None:
    run = wait_for(runs, submit(runs, "then=silent").id, *OVER)
    assert run.status is RunStatus.INTERRUPTED
    assert "exit code 7 before it began" in run.problem
    assert "could not find anything" in run.log_tail


def test_a_command_that_cannot_be_started_holds_up_nobody(home: Home) -> None:
    service = Runs(home, LocalExecutor(["/no/such/program"]), IMPATIENT)
    service.start()
    run = wait_for(service, submit(service, "steps=1").id, *OVER)
    service.close()
    assert run.status is RunStatus.INTERRUPTED
    assert "could not be started" in run.problem


def test_a_worker_outlives_the_server_and_the_next_one_takes_it_up(home: Home) -> None:
    first = Runs(home, executor(), IMPATIENT)
    first.start()
    run_id = submit(first, "steps=60 pause=0.03").id
    wait_until(first, run_id, lambda run: run.step >= 3)
    first.close()
    pid = worker_pid(first, run_id)
    time.sleep(0.3)
    second = Runs(home, executor(), IMPATIENT)
    second.start()
    try:
        run = second.get(run_id)
        assert run.status is RunStatus.RUNNING
        assert worker_pid(second, run_id) == pid
        finished = wait_for(second, run_id, *OVER)
        assert (finished.status, finished.attempts) == (RunStatus.FINISHED, 1)
        assert second.metrics(run_id).steps.step == tuple(range(1, 61))
    finally:
        second.close()


def test_no_zombie_is_left(runs: Runs) -> None:
    run_id = submit(runs, "steps=2").id
    wait_for(runs, run_id, RunStatus.FINISHED)
    pid = worker_pid(runs, run_id)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_that_lingers_after_its_last_words_frees_the_device(runs: Runs) -> None:
    first = submit(runs, "steps=2 then=linger")
    second = submit(runs, "steps=2")
    assert wait_for(runs, second.id, *OVER).status is RunStatus.FINISHED
    assert runs.get(first.id).status is RunStatus.FINISHED


def test_rename_changes_the_labels_and_nothing_else(runs: Runs, home: Home) -> None:
    run = submit(runs, "then=silent")
    assert runs.rename(run.id, "  Better  ").name == "Better"
    assert runs.config(run.id).name == "then=silent"
    with pytest.raises(WorkbenchError, match="name"):
        runs.rename(run.id, "x" * 201)
    assert [found.id for found in runs.list("better")] == [run.id]
    assert runs.list("better worse") == []


def test_delete_removes_the_folder_but_not_under_a_worker(runs: Runs, home: Home) -> None:
    run_id = submit(runs, "steps=200 pause=0.02").id
    wait_for(runs, run_id, RunStatus.RUNNING)
    with pytest.raises(WorkbenchError, match="still at work"):
        runs.delete(run_id)
    queued = submit(runs, "steps=2")
    runs.delete(queued.id)
    with pytest.raises(WorkbenchError, match="no run"):
        runs.get(queued.id)
    runs.stop(run_id)
    wait_for(runs, run_id, RunStatus.STOPPED)
    deadline = time.monotonic() + 10
    while list(home.runs.iterdir()) and time.monotonic() < deadline:
        try:
            runs.delete(run_id)
        except WorkbenchError:
            time.sleep(0.05)
    assert runs.list() == []
    assert list(home.runs.iterdir()) == []


def test_what_cannot_be_resumed_says_why(runs: Runs) -> None:
    run_id = submit(runs, "steps=1").id
    with pytest.raises(WorkbenchError, match="already"):
        runs.resume(run_id)
    wait_for(runs, run_id, RunStatus.FINISHED)
    with pytest.raises(WorkbenchError, match="has finished"):
        runs.resume(run_id)
    assert runs.stop(run_id).status is RunStatus.FINISHED
    with pytest.raises(WorkbenchError, match="no run"):
        runs.get("nobody")
    with pytest.raises(WorkbenchError, match="no run"):
        runs.metrics("nobody")


def content(runs: Runs) -> tuple[list[Run], list[object]]:
    listed = runs.list()
    return listed, [runs.metrics(run.id) for run in listed]


def test_reindex_gives_the_same_content(runs: Runs, home: Home) -> None:
    ended = [submit(runs, told) for told in ("steps=12", "steps=14 at=8 then=die", "then=silent", "at=3 then=fail")]
    for run in ended:
        wait_for(runs, run.id, *OVER)
    runs.resume(ended[1].id)
    wait_for(runs, ended[1].id, RunStatus.FINISHED)
    runs.rename(ended[0].id, "renamed")
    before = content(runs)
    assert runs.reindex() == 4
    assert content(runs) == before


def test_a_config_that_cannot_be_read_spoils_nothing_else(runs: Runs, home: Home) -> None:
    broken = submit(runs, "then=silent")
    wait_for(runs, broken.id, *OVER)
    (home.runs / broken.id / "config.yaml").write_text("name: [")
    fine = submit(runs, "steps=2")
    assert runs.reindex() == 1
    assert wait_for(runs, fine.id, *OVER).status is RunStatus.FINISHED


def test_workers_are_those_of_the_training_room() -> None:
    assert COMMAND[1:] == ("-m", "workbench.training")


def test_a_run_without_a_name_goes_by_its_id(runs: Runs) -> None:
    run = runs.submit(RunConfig())
    assert run.name == run.id
    runs.stop(run.id)
