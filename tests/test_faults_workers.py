"""Faults of servers and workers, by real processes and real signals; what the workers do is fake, their dying is not.

Whatever happens, no step is lost or told twice, and nothing stays “running” without a worker that lives.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from fake_worker import loss_at
from runs_kit import (
    FAKE_WORKER,
    IMPATIENT,
    OVER,
    end_workers,
    fake_config,
    wait_for,
    wait_until,
    worker_pid,
)

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs, history
from workbench.runs.events_log import shards
from workbench.runs.executors.local import LocalExecutor
from workbench.runs.folder import RunFolder
from workbench.runs.process import mark_of
from workbench.runs.reading import RunReader
from workbench.runs.watch import Patience

Serving = Callable[..., Runs]


@pytest.fixture
def serving(home: Home) -> Iterator[Serving]:
    """Starts services over the home, one after the other; none of them outlives the test, nor do its workers."""
    services: list[Runs] = []

    def serve(command: tuple[str, ...] = FAKE_WORKER, patience: Patience = IMPATIENT) -> Runs:
        for other in services:
            other.close()
        services.append(Runs(home, LocalExecutor(command), patience))
        services[-1].start()
        return services[-1]

    yield serve
    for service in services:
        service.close()
    if services:
        end_workers(services[-1])


@contextmanager
def server(home: Home, *behaviours: str) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own, ready."""
    program = Path(__file__).with_name("fake_server.py")
    with subprocess.Popen(
        [sys.executable, program, str(home.path), *behaviours], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "serving\n"
            yield process
        finally:
            process.kill()


def only_folder(home: Home) -> RunFolder:
    (path,) = home.runs.iterdir()
    return RunFolder(path)


def wait(reached: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_kill_of_the_server_loses_no_metric_and_tells_none_twice(home: Home, serving: Serving) -> None:
    with server(home, "steps=200 pause=0.02", "steps=2") as process:
        wait(lambda: len(list(home.runs.iterdir())) == 2)
        first = next(
            folder for folder in map(RunFolder, home.runs.iterdir()) if folder.config.name == "steps=200 pause=0.02"
        )
        wait(lambda: sum(1 for _ in first.events()) > 10)
        process.kill()
        process.wait()
    pid = (first.heartbeat() or pytest.fail("no heartbeat")).pid
    before = sum(1 for _ in first.events())
    wait(lambda: sum(1 for _ in first.events()) > before + 5)  # nobody serves, and the worker goes on
    runs = serving()
    assert runs.get(first.id).status is RunStatus.RUNNING
    done = wait_for(runs, first.id, *OVER)
    assert (done.status, done.attempts) == (RunStatus.FINISHED, 1)
    assert worker_pid(runs, first.id) == pid
    metrics = runs.metrics(first.id)
    assert metrics.steps.step == tuple(range(1, 201))
    assert metrics.steps.loss == tuple(map(loss_at, range(1, 201)))
    (second,) = (run for run in runs.list() if run.id != first.id)  # the queue outlived the server as well
    assert wait_for(runs, second.id, *OVER).status is RunStatus.FINISHED


def test_a_worker_that_dies_while_nobody_serves_is_interrupted(home: Home, serving: Serving) -> None:
    with server(home, "steps=500 pause=0.02") as process:
        wait(lambda: only_folder(home).heartbeat() is not None)
        process.kill()
        process.wait()
    heart = only_folder(home).heartbeat()
    assert heart is not None
    os.kill(heart.pid, signal.SIGKILL)
    run = wait_for(serving(), only_folder(home).id, *OVER)
    assert run.status is RunStatus.INTERRUPTED
    assert "was killed, or the machine went down" in run.problem
    explained = RunReader(home).explain(run.id)
    assert explained is not None and explained.cause == "went-silent"


def test_kill_of_the_worker_is_noticed_at_once(serving: Serving) -> None:
    runs = serving(patience=Patience())
    run_id = runs.submit(fake_config("steps=500 pause=0.02")).id
    wait_until(runs, run_id, lambda run: run.step >= 7)
    os.kill(worker_pid(runs, run_id), signal.SIGKILL)
    run = wait_for(runs, run_id, *OVER, seconds=15)
    assert run.status is RunStatus.INTERRUPTED
    assert "SIGKILL" in run.problem
    assert "goes on from checkpoint-" in run.remedy


@pytest.mark.parametrize(
    ("name", "cause"),
    [("SIGSEGV", "crashed"), ("SIGILL", "illegal-instruction"), ("SIGBUS", "shared-memory"), ("SIGKILL", "killed")],
)
def test_a_worker_that_crashes_is_explained_by_its_signal(serving: Serving, name: str, cause: str) -> None:
    runs = serving()
    run_id = runs.submit(fake_config(f"steps=9 at=3 then={name}")).id
    assert wait_for(runs, run_id, *OVER).status is RunStatus.INTERRUPTED
    explained = runs.explain(run_id)
    assert explained is not None
    assert (explained.cause, name in explained.detail) == (cause, True)


def test_sigterm_saves_and_stops(serving: Serving) -> None:
    runs = serving()
    run_id = runs.submit(fake_config("steps=500 pause=0.02 save=100")).id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    os.kill(worker_pid(runs, run_id), signal.SIGTERM)
    run = wait_for(runs, run_id, *OVER)
    assert run.status is RunStatus.STOPPED
    assert [saved.step for saved in run.checkpoints] == [run.step]


def test_a_worker_that_ignores_sigterm_is_killed_after_the_grace(serving: Serving) -> None:
    runs = serving()
    run_id = runs.submit(fake_config("steps=5000 pause=0.02 then=deaf")).id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    pid = worker_pid(runs, run_id)
    assert runs.stop(run_id).status is RunStatus.STOPPING
    run = wait_for(runs, run_id, *OVER)
    assert run.status is RunStatus.INTERRUPTED
    assert "did not stop by itself and was killed" in run.problem
    assert "ignored SIGTERM" in run.problem
    explained = runs.explain(run_id)
    assert explained is not None and explained.cause == "did-not-stop"
    sent = [entry.signal for entry in runs.folder(run_id).history if isinstance(entry, history.Signalled)]
    assert sent == ["SIGTERM", "SIGKILL"]
    wait(lambda: mark_of(pid) is None)
    assert not runs.folder(run_id).stop_requested()


def test_a_halted_worker_is_stalled_and_goes_on(serving: Serving) -> None:
    runs = serving()
    run_id = runs.submit(fake_config("steps=60 pause=0.03")).id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    pid = worker_pid(runs, run_id)
    os.kill(pid, signal.SIGSTOP)
    stalled = wait_until(runs, run_id, lambda run: run.stalled)
    assert stalled.status is RunStatus.RUNNING
    time.sleep(0.5)
    assert runs.get(run_id).status is RunStatus.RUNNING
    os.kill(pid, signal.SIGCONT)
    wait_until(runs, run_id, lambda run: not run.stalled)
    assert wait_for(runs, run_id, *OVER).status is RunStatus.FINISHED
    assert runs.metrics(run_id).steps.step == tuple(range(1, 61))


def test_a_reused_pid_is_told_apart_and_left_alone(home: Home, serving: Serving) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        folder = RunFolder.create(home, fake_config("steps=3"))
        worker = history.Worker(executor="local", pid=stranger.pid, mark="another-boot:1", host="here")
        history.append(folder.history_file, history.Launched(time=time.time(), worker=worker, after=0))
        run = wait_for(serving(), folder.id, *OVER)
        assert run.status is RunStatus.INTERRUPTED
        time.sleep(0.3)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_second_server_is_refused_and_told_of_the_first(home: Home) -> None:
    program = Path(__file__).with_name("fake_server.py")
    with server(home) as first:
        second = subprocess.run(
            [sys.executable, program, str(home.path)], capture_output=True, text=True, timeout=60, check=False
        )
    assert second.returncode == 1
    assert str(first.pid) in second.stdout
    assert "in use" in second.stdout


def test_two_workers_for_one_run_are_one_worker(home: Home, serving: Serving) -> None:
    runs = serving()
    run_id = runs.submit(fake_config("steps=5000 pause=0.03")).id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    pid = worker_pid(runs, run_id)
    second = subprocess.run(
        [*FAKE_WORKER, str(home.runs / run_id)], capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "Another worker is already at work" in second.stdout
    assert worker_pid(runs, run_id) == pid
    runs.stop(run_id)
    stopped = wait_for(runs, run_id, *OVER)
    assert stopped.status is RunStatus.STOPPED
    assert runs.metrics(run_id).steps.step == tuple(range(1, stopped.step + 1))


def test_a_worker_whose_start_could_not_be_written_down_is_taken_up(home: Home, serving: Serving) -> None:
    """The server was killed between starting a worker and noting it: the run says queued, and a worker is at it."""
    folder = RunFolder.create(home, fake_config("steps=150 pause=0.03"))
    with subprocess.Popen([*FAKE_WORKER, str(folder.path)], start_new_session=True) as orphan:
        wait(lambda: sum(1 for _ in folder.events()) > 3)
        runs = serving()
        done = wait_for(runs, folder.id, *OVER)
        orphan.wait(20)
    assert (done.status, done.attempts) == (RunStatus.FINISHED, 1)
    assert worker_pid(runs, folder.id) == orphan.pid
    assert runs.metrics(folder.id).steps.step == tuple(range(1, 151))


def test_what_a_dead_worker_left_running_is_ended(serving: Serving) -> None:
    runs = serving(patience=IMPATIENT)
    run_id = runs.submit(fake_config("steps=9 at=4 then=die child=60")).id
    assert wait_for(runs, run_id, *OVER).status is RunStatus.INTERRUPTED
    child = int((runs.folder(run_id).path / "child.pid").read_text())
    wait(lambda: mark_of(child) is None)


def limited(limit: int) -> tuple[str, ...]:
    """The fake worker, none of whose files may grow beyond `limit` bytes: what a full disk looks like to it."""
    program = (
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return (sys.executable, "-c", program, *FAKE_WORKER)


def test_a_disk_that_fills_while_logging_fails_the_run_and_keeps_its_checkpoints(serving: Serving) -> None:
    runs = serving(limited(6000))
    run_id = runs.submit(fake_config("steps=2000 pause=0.001 save=5")).id
    run = wait_for(runs, run_id, *OVER)
    assert (run.status, run.cause) == (RunStatus.FAILED, "disk-full")
    assert "disk is full" in run.problem
    steps = runs.metrics(run_id).steps.step
    assert steps == tuple(range(1, len(steps) + 1))
    assert runs.folder(run_id).checkpoints(verify=True)
    again = serving()
    again.resume(run_id)
    wait_until(again, run_id, lambda found: found.step > run.step)
    again.stop(run_id)
    wait_for(again, run_id, *OVER)


def test_a_shard_cut_in_the_middle_of_a_line_costs_that_line_alone(home: Home, serving: Serving) -> None:
    runs = serving()
    run_id = runs.submit(fake_config("steps=30 save=10 at=15 then=die")).id
    wait_for(runs, run_id, *OVER)
    runs.close()
    shard = shards(runs.folder(run_id).events_dir)[-1]
    shard.write_bytes(shard.read_bytes()[:-30])
    again = serving()
    again.reindex()
    assert again.metrics(run_id).steps.step == tuple(range(1, 15))
    again.resume(run_id)
    assert wait_for(again, run_id, *OVER).status is RunStatus.FINISHED
    assert again.metrics(run_id).steps.step == tuple(range(1, 31))


@pytest.mark.parametrize("damage", ["delete", "overwrite"])
def test_an_index_damaged_under_a_server_is_made_again(home: Home, serving: Serving, damage: str) -> None:
    runs = serving()
    done = [runs.submit(fake_config(told)) for told in ("steps=12", "steps=9 at=3 then=fail")]
    for run in done:
        wait_for(runs, run.id, *OVER)
    live = runs.submit(fake_config("steps=300 pause=0.02"))
    wait_for(runs, live.id, RunStatus.RUNNING)
    before = [(runs.get(run.id), runs.metrics(run.id)) for run in done]
    if damage == "delete":
        home.index.unlink()
    else:
        home.index.write_bytes(b"\xff" * home.index.stat().st_size)
        home.index.with_name(home.index.name + "-wal").write_bytes(b"")
    seen = runs.get(live.id).step
    wait(lambda: runs.get(live.id).step > seen and len(runs.list()) == 3)
    assert [(runs.get(run.id), runs.metrics(run.id)) for run in done] == before
    steps = runs.metrics(live.id).steps.step
    assert steps == tuple(range(1, len(steps) + 1))


def test_an_index_deleted_between_two_servers_is_made_again(home: Home, serving: Serving) -> None:
    runs = serving()
    run_id = wait_for(runs, runs.submit(fake_config("steps=12")).id, *OVER).id
    before = runs.get(run_id), runs.metrics(run_id)
    runs.close()
    home.index.unlink()
    again = serving()
    assert (again.get(run_id), again.metrics(run_id)) == before


def test_a_clock_set_back_ages_and_kills_nobody(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an hour, in the server and in what psutil derives from the wall clock."""
    runs = serving()
    run_id = runs.submit(fake_config("steps=80 pause=0.03")).id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    clock, created = time.time, psutil.Process.create_time
    monkeypatch.setattr(time, "time", lambda: clock() - 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) - 3600)
    seen: list[Run] = []
    done = wait_until(runs, run_id, lambda run: seen.append(run) is None and run.status.over)  # type: ignore[func-returns-value]
    assert not any(run.stalled for run in seen)
    assert (done.status, done.attempts) == (RunStatus.FINISHED, 1)
    assert (done.started or 0) <= (done.ended or 0)
    assert runs.metrics(run_id).steps.step == tuple(range(1, 81))


def test_a_run_copied_from_another_home_is_not_running(home: Home, serving: Serving) -> None:
    folder = RunFolder.create(home, fake_config("steps=3"))
    worker = history.Worker(executor="local", pid=1, mark="another-boot:1", host="elsewhere")
    history.append(folder.history_file, history.Launched(time=time.time(), worker=worker, after=0))
    assert wait_for(serving(), folder.id, *OVER).status is RunStatus.INTERRUPTED


def test_a_queued_folder_that_is_put_there_by_hand_is_run(home: Home, serving: Serving) -> None:
    runs = serving()
    folder = RunFolder.create(home, fake_config("steps=3"))
    assert wait_for(runs, folder.id, *OVER).status is RunStatus.FINISHED


def test_a_full_disk_refuses_a_new_run_with_a_sentence_and_leaves_nothing(
    home: Home, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = serving()

    def full(path: Path, entry: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("workbench.runs.history.append", full)
        with pytest.raises(WorkbenchError, match="No space left on device"):
            runs.submit(fake_config("steps=2"))
    assert list(home.runs.iterdir()) == []
    assert wait_for(runs, runs.submit(fake_config("steps=2")).id, *OVER).status is RunStatus.FINISHED


def test_a_start_that_cannot_be_written_down_is_tried_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = serving()
    append, failures = history.append, [2]

    def full_at_first(path: Path, entry: history.Entry) -> None:
        if isinstance(entry, history.Launched) and failures[0]:
            failures[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(path, entry)

    monkeypatch.setattr("workbench.runs.history.append", full_at_first)
    run = wait_for(runs, runs.submit(fake_config("steps=2")).id, *OVER)
    assert (run.status, run.attempts, failures) == (RunStatus.FINISHED, 1, [0])
