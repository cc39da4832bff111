"""Faults of the real worker on a tiny model: whatever happens to it, the losses end up as if nothing had."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runs_kit import OVER, end_workers, wait_for, wait_until, worker_pid

from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs
from workbench.runs.executors.local import COMMAND, LocalExecutor
from workbench.runs.folder import RunFolder
from workbench.runs.watch import Patience
from workbench.training.__main__ import attempt
from workbench.training.stopping import StopRequest

MakeRun = Callable[..., RunFolder]
Serving = Callable[..., Runs]
DYING = (sys.executable, str(Path(__file__).with_name("dying_worker.py")))
STEPS, EVERY = 30, 5


@pytest.fixture
def serving(home: Home) -> Iterator[Serving]:
    """Starts services over the home, one after the other, with the real worker unless another command is given."""
    services: list[Runs] = []

    def serve(*command: str) -> Runs:
        for other in services:
            other.close()
        services.append(Runs(home, LocalExecutor(command or COMMAND), Patience(tick=0.05)))
        services[-1].start()
        return services[-1]

    yield serve
    for service in services:
        service.close()
    end_workers(services[-1])


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    return make_run(max_steps=STEPS, save_every=EVERY, evaluate_every=EVERY, keep_checkpoints=3)


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float | None, ...]]:
    """The losses of the run that nothing happens to, filled by the first test that needs them."""
    return {}


@pytest.fixture
def losses(
    run: RunFolder, make_run: MakeRun, serving: Serving, uninterrupted: dict[str, tuple[float | None, ...]]
) -> tuple[float | None, ...]:
    if "losses" not in uninterrupted:
        twin = RunFolder.create(Home(run.path.parent.parent / "twin"), run.config)
        attempt(twin, StopRequest(twin))
        steps = [event for event in twin.events() if event.type == "step"]
        uninterrupted["losses"] = tuple(event.loss for event in steps)
    return uninterrupted["losses"]


def ended(runs: Runs, run_id: str) -> Run:
    return wait_for(runs, run_id, *OVER, seconds=180)


def finish(runs: Runs, run_id: str) -> Run:
    runs.resume(run_id)
    done = ended(runs, run_id)
    assert done.status is RunStatus.FINISHED, done
    return done


def test_a_killed_worker_resumes_to_the_losses_of_an_uninterrupted_run(
    run: RunFolder, losses: tuple[float | None, ...], serving: Serving
) -> None:
    runs = serving()
    wait_until(runs, run.id, lambda found: found.step >= EVERY + 2, seconds=180)
    began = time.monotonic()
    os.kill(worker_pid(runs, run.id), signal.SIGKILL)
    killed = ended(runs, run.id)
    assert time.monotonic() - began < 15
    assert killed.status is RunStatus.INTERRUPTED
    assert finish(runs, run.id).attempts == 2
    metrics = runs.metrics(run.id)
    assert metrics.steps.step == tuple(range(1, STEPS + 1))
    assert metrics.steps.loss == losses
    assert len(set(metrics.evaluations.step)) == len(metrics.evaluations.step)


def test_a_worker_killed_while_it_saves_leaves_the_checkpoint_before_and_its_remains_are_swept(
    run: RunFolder, losses: tuple[float | None, ...], serving: Serving
) -> None:
    runs = serving(*DYING, "saving")
    killed = ended(runs, run.id)
    assert killed.status is RunStatus.INTERRUPTED
    assert [saved.step for saved in killed.checkpoints] == [EVERY]
    remains = run.checkpoints_dir / f"checkpoint-{2 * EVERY}"
    assert list(remains.iterdir())
    done = finish(serving(), run.id)
    assert all(saved.name == path.name for saved, path in zip(done.checkpoints, sorted_folders(run), strict=True))
    assert serving().metrics(run.id).steps.loss == losses


def sorted_folders(run: RunFolder) -> list[Path]:
    return sorted(run.checkpoints_dir.iterdir(), key=lambda path: int(path.name.split("-")[1]))


def test_a_disk_that_fills_while_saving_fails_the_run_and_keeps_the_checkpoint_before(
    run: RunFolder, losses: tuple[float | None, ...], serving: Serving
) -> None:
    runs = serving(*DYING, "full:16384")
    failed = ended(runs, run.id)
    assert (failed.status, failed.cause) == (RunStatus.FAILED, "disk-full"), failed
    assert failed.remedy
    assert [saved.step for saved in run.checkpoints(verify=True)] == [EVERY]
    again = serving()
    finish(again, run.id)
    assert again.metrics(run.id).steps.loss == losses


def test_sigterm_saves_and_stops_and_a_flipped_bit_falls_back_to_the_checkpoint_before(
    run: RunFolder, losses: tuple[float | None, ...], serving: Serving
) -> None:
    runs = serving()
    wait_until(runs, run.id, lambda found: len(found.checkpoints) >= 2, seconds=180)
    os.kill(worker_pid(runs, run.id), signal.SIGTERM)
    stopped = ended(runs, run.id)
    assert stopped.status is RunStatus.STOPPED
    assert stopped.checkpoints[-1].step == stopped.step
    newest, before = stopped.checkpoints[-1], stopped.checkpoints[-2]
    victim = max((run.checkpoints_dir / newest.name).glob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    done = finish(runs, run.id)
    assert any("does not match" in warning or "damaged" in warning for warning in done.warnings)
    resumed = [event.step for event in run.events() if event.type == "resumed"]
    assert resumed == [before.step]
    assert runs.metrics(run.id).steps.loss == losses
