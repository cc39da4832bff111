"""A run from its folder to its adapter: what it tells, what it leaves behind, and how it goes on."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from training_runs import MakeRun, StopAt, carry_out, losses
from transformers import AutoModelForCausalLM, AutoTokenizer

from workbench.data import TEMPLATES
from workbench.engine.adapters import read_chat_template
from workbench.engine.answers import Answers
from workbench.engine.bases import Bases
from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    Evaluated,
    Finished,
    Phase,
    PhaseChanged,
    Resumed,
    Started,
    StepLogged,
    Warned,
)
from workbench.home import Home
from workbench.protocol.chat import ChatRequest
from workbench.runs.folder import RunFolder
from workbench.training.checkpoints import Progress, read_progress
from workbench.training.stopping import StopRequest


@pytest.fixture(scope="module")
def finished(make_run_in: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of ten steps, which tests look at and leave as it is."""
    run = make_run_in(Home(tmp_path_factory.mktemp("finished") / "home"))
    carry_out(run)
    return run


def test_a_run_tells_its_whole_life(finished: RunFolder) -> None:
    events = list(finished.events())
    phases = [phase for phase, _ in groupby(event.phase for event in events if isinstance(event, PhaseChanged))]
    assert phases[:5] == [
        Phase.STARTING, Phase.FETCHING_MODEL, Phase.PREPARING_DATA, Phase.INITIALISING, Phase.TRAINING,
    ]  # fmt: skip
    assert {Phase.EVALUATING, Phase.SAVING} <= set(phases)
    started = next(event for event in events if isinstance(event, Started))
    assert started.total_steps == 10
    assert started.train_rows + started.validation_rows == 48
    steps = [event for event in events if isinstance(event, StepLogged)]
    assert [event.step for event in steps] == list(range(1, 11))
    assert steps[-1].loss is not None and steps[0].loss is not None
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert steps[1].learning_rate == pytest.approx(5e-3)
    assert [event.tokens for event in steps] == sorted({event.tokens for event in steps})
    assert all(event.tokens_per_second > 0 and event.memory_bytes > 0 and event.grad_norm for event in steps)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [5, 10]
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.stopped) == (10, False)


def test_checkpoints_are_kept_by_age(finished: RunFolder) -> None:
    events = list(finished.events())
    saved = [event.name for event in events if isinstance(event, CheckpointSaved)]
    removed = [event.name for event in events if isinstance(event, CheckpointRemoved)]
    assert (saved, removed) == (
        ["checkpoint-4", "checkpoint-5", "checkpoint-8", "checkpoint-10"],
        ["checkpoint-4", "checkpoint-5"],
    )
    assert [checkpoint.step for checkpoint in finished.checkpoints(verify=True)] == [8, 10]


def test_evaluation_weighs_every_trained_token_alike(finished: RunFolder, tiny_model_folder: Path) -> None:
    """Against transformers' own loss, row by row, with the adapter as saved at that step."""
    from workbench.data import DatasetLibrary
    from workbench.data.rendering import encode
    from workbench.data.split import split
    from workbench.home import Home

    told = [event for event in finished.events() if isinstance(event, Evaluated)][-1]
    data = finished.config.data
    library = DatasetLibrary(Home(finished.path.parent.parent))
    conversations = library.conversations(library.resolve(data.dataset).id)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_folder), finished.adapter)
    model.train(False)
    total, tokens = 0.0, 0
    for index in split(len(conversations), data.validation_share, data.split_seed)[1]:
        row = encode(conversations[index], tokenizer, train_on=data.train_on, max_length=data.max_length)
        labels = torch.tensor([[token if on else -100 for token, on in zip(row.input_ids, row.trained, strict=True)]])
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([row.input_ids]), labels=labels).loss
        count = int((labels[:, 1:] != -100).sum())
        total, tokens = total + loss.item() * count, tokens + count
    assert told.tokens == tokens
    assert told.loss == pytest.approx(total / tokens, abs=1e-5)


def test_the_adapter_opens_in_plain_peft(finished: RunFolder, tiny_model_folder: Path) -> None:
    checkpoint = finished.checkpoints_dir / "checkpoint-10"
    tokens = torch.randint(3, 300, (2, 12))

    def logits(adapter: Path) -> Any:
        base = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
        with torch.no_grad():
            return PeftModel.from_pretrained(base, adapter).train(False)(tokens).logits

    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(tiny_model_folder).train(False)(tokens).logits
    torch.testing.assert_close(logits(finished.adapter), logits(checkpoint), rtol=0, atol=0)
    assert (logits(finished.adapter) - base).abs().max() > 1e-2
    assert not list(finished.adapter.glob("*.bin"))
    assert "<|im_start|>" in str(AutoTokenizer.from_pretrained(finished.adapter).chat_template)


def test_the_environment_names_what_the_numbers_depend_on(finished: RunFolder) -> None:
    facts = json.loads(finished.environment.read_text())
    assert facts["batches"] == "flattened"
    assert facts["head"] == "chunked"
    assert (facts["device"], facts["dtype"], facts["threads"], facts["seed"]) == ("cpu", "float32", 1, 0)
    assert facts["libraries"]["torch"] == torch.__version__
    assert facts["base_model_revision"] and facts["dataset"]


@pytest.mark.parametrize(
    ("asked", "step"),
    [(5, 5), (6, 5), (7, 7)],
    ids=["in the middle of an epoch", "while evaluating", "at the end of an epoch"],
)
def test_resume_equals_uninterrupted(make_run: MakeRun, finished: RunFolder, asked: int, step: int) -> None:
    """With dropout, accumulation and an epoch of seven steps."""
    run = make_run()
    events = carry_out(run, StopAt(run, asked))
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.stopped) == (step, True)
    assert (run.adapter / "adapter_model.safetensors").exists()
    events = carry_out(run)
    assert [event.step for event in events if isinstance(event, Resumed)] == [step]
    assert losses(run) == losses(finished)
    steps = [event for event in events if isinstance(event, StepLogged)]
    assert [event.tokens for event in steps] == [
        event.tokens for event in finished.events() if isinstance(event, StepLogged)
    ]
    assert _evaluations(run) == _evaluations(finished)
    assert _last_progress(run) == _last_progress(finished)
    assert _weights(run) == _weights(finished)


@pytest.mark.parametrize(("stopped_at", "recomputing"), [(3, True), (0, False)], ids=["goes on", "begins anew"])
def test_what_the_free_memory_once_decided_holds_until_the_end(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, stopped_at: int, recomputing: bool
) -> None:
    """Memory was short at first and is free later: steps that were taken already are gone on with as they were."""
    run = make_run(max_steps=4)
    monkeypatch.setattr("workbench.training.worker.recomputes", lambda *_: True)
    carry_out(run, StopAt(run, stopped_at) if stopped_at else AfterTheEnvironment(run))
    assert json.loads(run.environment.read_text())["recompute_activations"] is True
    monkeypatch.setattr("workbench.training.worker.recomputes", lambda *_: False)
    carry_out(run)
    assert json.loads(run.environment.read_text())["recompute_activations"] is recomputing


class AfterTheEnvironment(StopRequest):
    """Asks to stop when everything was chosen and no step was taken."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._environment = folder.environment

    def made(self) -> bool:
        return self._environment.is_file()


def test_a_crash_resumes_from_the_newest_whole_checkpoint(
    make_run: MakeRun, finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.training.trainer import RunTrainer

    run = make_run()
    log = RunTrainer.log

    def crash(self: RunTrainer, logs: dict[str, float], start_time: float | None = None) -> None:
        if self.state.global_step == 9:
            raise KeyboardInterrupt
        log(self, logs, start_time)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunTrainer, "log", crash)
        carry_out(run)
    (run.checkpoints_dir / "checkpoint-9").mkdir()  # half-written when it died
    damaged = run.checkpoints_dir / "checkpoint-8" / "adapter_model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    events = carry_out(run)
    assert [event.step for event in events if isinstance(event, Resumed)] == [5]
    assert any("checkpoint-8 was damaged" in event.message for event in events if isinstance(event, Warned))
    assert losses(run) == losses(finished)
    assert _weights(run) == _weights(finished)


def test_resuming_a_finished_run_writes_its_adapter_again(make_run: MakeRun) -> None:
    run = make_run()
    carry_out(run)
    before = _weights(run)
    (run.adapter / "adapter_model.safetensors").unlink()
    events = carry_out(run)
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.stopped) == (10, False)
    assert _weights(run) == before


def test_a_home_that_was_moved_goes_on_as_if_it_had_stayed(make_run: MakeRun, finished: RunFolder, home: Home) -> None:
    whole, weights = losses(finished), _weights(finished)
    run = make_run()
    carry_out(run, StopAt(run, 5))
    home.path.rename(home.path.with_name("elsewhere"))
    moved = RunFolder(home.path.with_name("elsewhere") / "runs" / run.id)
    carry_out(moved)
    assert not home.path.exists()
    assert losses(moved) == whole
    assert _weights(moved) == weights


def test_tensorboard_finds_the_curves_in_the_runs_folder(finished: RunFolder) -> None:
    written = [file.read_bytes() for file in finished.path.glob("tensorboard/**/events.out.tfevents.*")]
    assert all(any(curve in file for file in written) for curve in (b"train/loss", b"eval/loss"))


def test_a_stop_before_training_leaves_nothing_to_save(make_run: MakeRun) -> None:
    run = make_run()
    run.request_stop()
    last = carry_out(run)[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.stopped) == (0, True)
    assert not run.adapter.exists()


def test_accumulation_equals_one_large_batch(make_run: MakeRun) -> None:
    runs = [
        make_run(method={"dropout": 0.0}, max_steps=4, batch_size=batch, gradient_accumulation_steps=steps)
        for batch, steps in ((6, 1), (3, 2), (2, 3))
    ]
    for run in runs:
        carry_out(run)
    whole, *others = (losses(run) for run in runs)
    for other in others:
        assert other == pytest.approx(whole, abs=1e-5)


def test_cut_rows_are_told(make_run: MakeRun) -> None:
    events = carry_out(make_run(data={"max_length": 24}, max_steps=2))
    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert any("longer than 24 tokens and were cut" in message for message in warnings)


def _evaluations(run: RunFolder) -> list[tuple[int, float]]:
    return [(event.step, event.loss) for event in run.events() if isinstance(event, Evaluated)]


def _last_progress(run: RunFolder) -> Progress:
    newest = run.newest_checkpoint()
    assert newest
    return read_progress(newest).model_copy(update={"elapsed": 0.0})


def _weights(run: RunFolder) -> bytes:
    return (run.adapter / "adapter_model.safetensors").read_bytes()


def test_the_chosen_chat_template_lies_beside_the_adapter_and_renders_prompts(make_run: MakeRun, home: Home) -> None:
    run = make_run(data={"chat_template": "colon"}, max_steps=1, warmup_steps=0, save_every=1)
    carry_out(run)
    assert read_chat_template(run.adapter) == TEMPLATES["colon"]
    assert AutoTokenizer.from_pretrained(run.adapter).chat_template == TEMPLATES["colon"]
    bases = Bases(home)
    answers = Answers(home, bases)
    for model in (run.id, f"{run.id}/checkpoint-1"):
        asked = ChatRequest.model_validate({"model": model, "messages": [{"role": "user", "content": "why"}]})
        begun = answers.begin(asked, lambda event: None)
        begun.cancel()
        assert begun.order.tokenizer.decode(begun.order.prompt) == "USER: why\nASSISTANT:"
    bases.release_idle(0)
