"""What ends a run early is told with its cause and what to do, and the last checkpoint stays whole."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from training_runs import MakeRun, carry_out, losses

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Failed, Finished, Phase, StepLogged, Warned
from workbench.home import Home
from workbench.runs.folder import RunFolder
from workbench.runs.lock import run_lock
from workbench.training.checkpoints import read_progress
from workbench.training.failures import explain
from workbench.training.flow import Flow
from workbench.training.memory import remedies
from workbench.training.trainer import RunTrainer


def failure(run: RunFolder) -> Failed:
    last = list(run.events())[-1]
    assert isinstance(last, Failed)
    assert last.remedy
    return last


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Let `act` happen before the loss of `step` is computed."""
    compute = RunTrainer.compute_loss

    def sabotaged(self: RunTrainer, *args: Any, **options: Any) -> Any:
        if self.state.global_step + 1 == step:
            act(self)
        return compute(self, *args, **options)

    monkeypatch.setattr(RunTrainer, "compute_loss", sabotaged)


def test_a_loss_that_is_no_number_ends_the_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(trainer: RunTrainer) -> None:
        next(weight for weight in trainer.subject.parameters() if weight.requires_grad).data.fill_(float("nan"))

    run = make_run()
    at_step(monkeypatch, 6, poison)
    with pytest.raises(WorkbenchError):
        carry_out(run)
    told = failure(run)
    assert told.cause == "loss-not-finite"
    assert "step 6" in told.message
    assert losses(run)[6] is None
    assert [checkpoint.step for checkpoint in run.checkpoints(verify=True)] == [4, 5]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_running_out_of_memory_is_told(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_: RunTrainer) -> None:
        raise error

    run = make_run()
    at_step(monkeypatch, 6, fail)
    with pytest.raises(WorkbenchError):
        carry_out(run)
    told = failure(run)
    assert told.cause == "out-of-memory"
    assert "in two halves" in next(event.message for event in run.events() if isinstance(event, Warned))
    assert [checkpoint.step for checkpoint in run.checkpoints(verify=True)] == [4, 5]


def test_memory_that_ran_out_once_changes_no_number(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second micro-batch of step 6 fails; the whole step is made again in halves, and the run goes on so."""
    shape = {"method": {"dropout": 0.0}, "gradient_accumulation_steps": 2, "batch_size": 3}
    undisturbed = make_run(**shape)
    carry_out(undisturbed)
    calls = iter(range(100))

    def fail_once(trainer: RunTrainer) -> None:
        if next(calls) == 1:
            raise MemoryError

    run = make_run(**shape)
    at_step(monkeypatch, 6, fail_once)
    carry_out(run)
    assert losses(run) == pytest.approx(losses(undisturbed), abs=1e-5)
    assert read_progress(run.checkpoints_dir / "checkpoint-8").passes == 2
    assert next(calls) == 6, "two passes, one of them failed, then two micro-batches in two halves each"


def test_the_cheapest_changes_are_told_when_memory_runs_out(home: Home) -> None:
    config = RunConfig.parse({})
    with pytest.raises(WorkbenchError) as caught, remedies(config, home):
        raise MemoryError
    assert "Batch size 4, accumulated 2 times; or " in caught.value.remedy
    assert explain(caught.value, Phase.TRAINING).remedy == caught.value.remedy


@pytest.mark.parametrize(("keep", "words"), [(9, "checkpoint-8 is from before"), (1, "no checkpoint from before")])
def test_a_loss_that_runs_away_ends_the_run_and_names_the_checkpoint_of_its_best_time(
    keep: int, words: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Flow.step_logged

    def worse_and_worse(self: Flow, state: Any, logs: dict[str, float]) -> StepLogged:
        return logged(self, state, logs | {"loss": 2.0 + max(0, state.global_step - 10)})

    monkeypatch.setattr(Flow, "step_logged", worse_and_worse)
    run = make_run(max_steps=40, keep_checkpoints=keep, evaluate_every=40)
    with pytest.raises(WorkbenchError):
        carry_out(run)
    told = failure(run)
    assert told.cause == "loss-diverged"
    assert "step 18" in told.message
    assert words in told.remedy


def test_a_real_allocation_beyond_the_machine_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 48)
    assert explain(caught.value, Phase.TRAINING).cause == "out-of-memory"


def test_a_full_disk_while_saving_keeps_the_checkpoint_before(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real refusal of the system: from step 6 on no file may grow beyond what the adapter needs."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(_: RunTrainer) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))

    run = make_run(method={"rank": 32})
    at_step(monkeypatch, 6, fill)
    try:
        with pytest.raises(SafetensorError, match="File too large"):
            carry_out(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = failure(run)
    assert (told.cause, "saving" in told.message) == ("disk-full", True)
    assert [checkpoint.step for checkpoint in run.checkpoints(verify=True)] == [4, 5]
    assert {path.name for path in run.checkpoints_dir.iterdir()} == {"checkpoint-4", "checkpoint-5"}


def test_an_unreachable_base_model_is_told(make_run: MakeRun, home: Any) -> None:
    config = make_run().config.model_copy(update={"base_model": "hub:nobody/nothing-at-all"})
    run = RunFolder.create(home, config)
    with pytest.raises(WorkbenchError):
        carry_out(run)
    assert failure(run).cause == "model-unreachable"


def test_data_that_is_gone_is_told(make_run: MakeRun) -> None:
    run = make_run(data={"dataset": "0123456789abcdef"})
    with pytest.raises(WorkbenchError):
        carry_out(run)
    assert failure(run).cause == "data-unusable"


def test_nothing_to_learn_is_told(make_run: MakeRun) -> None:
    run = make_run(data={"max_length": 8})
    with pytest.raises(WorkbenchError):
        carry_out(run)
    told = failure(run)
    assert told.cause == "data-unusable"
    assert "No row has a token to learn from" in told.message
    assert [problem.field for problem in told.field_problems] == ["data.train_on"]


def test_a_checkpoint_of_other_settings_is_refused(make_run: MakeRun) -> None:
    run, other = make_run(max_steps=4), make_run(max_steps=4, learning_rate=1e-3)
    carry_out(run)
    other.checkpoints_dir.rmdir()
    (run.checkpoints_dir).rename(other.checkpoints_dir)
    with pytest.raises(WorkbenchError, match="other settings"):
        carry_out(other)
    assert failure(other).cause == "refused"


def test_anything_else_is_told_with_its_trace(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: RunTrainer) -> None:
        raise ZeroDivisionError("surprise")

    run = make_run()
    at_step(monkeypatch, 2, fail)
    with pytest.raises(ZeroDivisionError):
        carry_out(run)
    told = failure(run)
    assert told.cause == "unexpected"
    assert "ZeroDivisionError: surprise" in told.message
    assert "in sabotaged" in told.traceback


def test_the_process_saves_and_ends_well_on_sigterm(make_run: MakeRun) -> None:
    """The worker as the supervisor starts it."""
    run = make_run(max_steps=100_000, save_every=50_000, evaluate_every=50_000)
    worker = subprocess.Popen(
        [sys.executable, "-m", "workbench.training", str(run.path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 120
    while not any(isinstance(event, StepLogged) for event in run.events()):
        assert worker.poll() is None, worker.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker.send_signal(signal.SIGTERM)
    output = worker.communicate(timeout=60)[0].decode()
    assert worker.returncode == 0, output
    last = list(run.events())[-1]
    assert isinstance(last, Finished)
    assert last.stopped and last.step >= 1
    assert [checkpoint.step for checkpoint in run.checkpoints(verify=True)] == [last.step]


def test_a_second_worker_is_refused(make_run: MakeRun) -> None:
    run = make_run()
    with run_lock(run), pytest.raises(WorkbenchError, match="Another worker"):
        carry_out(run)
    assert list(run.events()) == []
