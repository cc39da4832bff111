"""Answers in the middle of a training: what plain generation gives, told as events, and never in the run's way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from training_runs import MakeRun, carry_out, losses
from transformers import AutoModelForCausalLM, AutoTokenizer

from workbench.config import SamplesConfig
from workbench.events import Answered, Evaluated, Event, Finished, Warned
from workbench.home import Home
from workbench.runs.changes import with_changes
from workbench.runs.folder import RunFolder
from workbench.training.samples import Samples

PROMPTS = ("What is brick number 3 made of?", "What is door number 4 made of?")


def asking(run: RunFolder, **data: object) -> RunFolder:
    """The same run, which answers samples."""
    settings = {"samples.prompts": PROMPTS, "samples.max_tokens": 8} | {f"data.{key}": data[key] for key in data}
    return RunFolder.create(Home(run.path.parent.parent), with_changes(run.config, settings))


def answers(events: list[Event]) -> list[Answered]:
    return [event for event in events if isinstance(event, Answered)]


def test_they_are_what_the_saved_adapter_answers_and_leave_the_losses_alone(
    make_run: MakeRun, tiny_model_folder: Path
) -> None:
    plain = make_run({"dropout": 0.0})  # the way with layers of our own
    carry_out(plain)
    run = asking(plain)
    told = answers(carry_out(run))
    assert losses(run) == losses(plain)
    assert [(answer.step, answer.prompt) for answer in told] == [(step, p) for step in (0, 5, 10) for p in PROMPTS]
    assert len({answer.text for answer in told if answer.prompt == PROMPTS[0]}) > 1
    assert [answer.text for answer in told[-2:]] == [by_plain_peft(run, tiny_model_folder, p) for p in PROMPTS]


def by_plain_peft(run: RunFolder, base: Path, prompt: str) -> str:
    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(run.adapter)).eval()
    asked: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        written = model.generate(**asked, max_new_tokens=8, do_sample=False)
    return str(tokenizer.decode(written[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


def test_a_failure_becomes_a_warning_and_the_run_goes_on(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Samples, model: Any, prompt: str, step: int) -> Answered:
        raise RuntimeError("cannot generate")

    monkeypatch.setattr(Samples, "_answered", fail)
    events = carry_out(asking(make_run()))
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert [message for message in warned if "cannot generate" in message] == warned[-1:]
    assert isinstance(events[-1], Finished)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [5, 10]


def test_a_run_without_held_out_rows_answers_all_the_same(make_run: MakeRun) -> None:
    events = carry_out(asking(make_run(), validation_share=0))
    assert [answer.step for answer in answers(events)][::2] == [0, 5, 10]
    assert not [event for event in events if isinstance(event, Evaluated)]


def test_prompts_are_lines_or_a_list() -> None:
    assert SamplesConfig(prompts="Who?\n\n What? \n").prompts == ("Who?", "What?")
    assert SamplesConfig(prompts=("Who?\nWhat?",)).prompts == ("Who?\nWhat?",)
