"""AdaLoRA prunes while it trains, resumes exactly, and its adapter is the same in plain peft."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from plain_loading import logits_of, plainly_loaded
from training_runs import MakeRun, StopAt, carry_out, losses

from workbench.errors import WorkbenchError
from workbench.events import Finished, RanksMoved

METHOD = {"kind": "adalora", "rank": 6, "target_rank": 2, "dropout": 0.0}


def test_ranks_fall_to_the_target_and_plain_peft_answers_alike(
    make_run: MakeRun, tiny_model_folder: Path, last_logits: list[torch.Tensor]
) -> None:
    run = make_run(method=METHOD, max_steps=20, learning_rate=0.02)
    events = carry_out(run)
    assert isinstance(events[-1], Finished)
    moved = [event for event in events if isinstance(event, RanksMoved)]
    assert [event.total for event in moved] == sorted((event.total for event in moved), reverse=True)
    assert moved[0].total > moved[-1].total
    assert json.loads(moved[-1].ranks)["layers.0.self_attn.q_proj"] <= 6
    pattern = json.loads((run.adapter / "adapter_config.json").read_text())["rank_pattern"]
    ranks = [sum(mask) for mask in pattern.values()]
    assert sum(ranks) == 2 * len(ranks) == moved[-1].total
    assert torch.allclose(logits_of(plainly_loaded(tiny_model_folder, run.adapter)), last_logits[0], atol=1e-4)


@pytest.mark.parametrize("stop", [3, 9])
def test_a_resumed_run_prunes_as_the_uninterrupted_one(make_run: MakeRun, stop: int) -> None:
    whole, stopped = (make_run(method=METHOD, max_steps=12) for _ in range(2))
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, stop))
    assert len(losses(stopped)) == stop
    carry_out(stopped)
    assert losses(stopped) == losses(whole)


def test_a_run_too_short_to_prune_says_so(make_run: MakeRun) -> None:
    with pytest.raises(WorkbenchError, match="at least 10 steps") as failed:
        carry_out(make_run(method=METHOD, max_steps=5))
    assert failed.value.problems[0].field == "training.max_steps"
