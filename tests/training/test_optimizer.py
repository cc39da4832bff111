"""Parameters learn at the rate their method gives them, also after a resume."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from training_runs import MakeRun, StopAt, carry_out, losses

LORA_PLUS = {"kind": "lora_plus", "dropout": 0.0, "learning_rate_ratio": 8.0}


def test_lora_plus_moves_b_by_its_own_rate(make_run: MakeRun) -> None:
    """Adam's first step is as long as the learning rate; B begins at nothing."""
    run = make_run(method=LORA_PLUS, max_steps=1, warmup_steps=0, learning_rate=1e-3, schedule="constant")
    carry_out(run)
    saved = load_file(run.adapter / "adapter_model.safetensors")
    steps = [matrix.abs().max().item() for name, matrix in saved.items() if "lora_B" in name]
    assert steps == pytest.approx([8e-3] * len(steps), rel=1e-2)


def test_lora_plus_resumes_exactly(make_run: MakeRun) -> None:
    whole, stopped = (make_run(method=LORA_PLUS, max_steps=5) for _ in range(2))
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, 3))
    carry_out(stopped)
    assert losses(stopped) == losses(whole)
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (whole, stopped)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
