"""The ways in which LoRA's matrices may begin: none moves the model, each is what it is called, all learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from plain_loading import base_model, logits_of, plainly_loaded
from training_runs import MakeRun, StopAt, carry_out, losses

from workbench.config import RunConfig
from workbench.training.adapter import attach

PAIR = tuple[torch.Tensor, torch.Tensor]


@pytest.mark.parametrize("kind", ["lora", "dora", "lora_fa", "lora_plus"])
@pytest.mark.parametrize("start", ["kaiming", "gaussian", "orthogonal"])
def test_the_model_says_at_first_what_the_base_says(kind: str, start: str, tiny_model_folder: Path) -> None:
    config = RunConfig.parse(
        {
            "base_model": f"folder:{tiny_model_folder}",
            "method": {"kind": kind, "rank": 32, "initialisation": start, "target_modules": ["q_proj"]},
        }
    )
    model = attach(base_model(tiny_model_folder), config, tiny_model_folder).model
    torch.testing.assert_close(logits_of(model), logits_of(base_model(tiny_model_folder)), rtol=1e-4, atol=1e-4)
    layer = next(module for name, module in model.named_modules() if name.endswith("q_proj"))
    down, up = layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach()
    if start == "orthogonal":
        assert up.norm() > 0.1
        assert (up @ down).norm() < 1e-4 * up.norm() * down.norm()
        return
    assert not up.any()
    spread = {"kaiming": 1 / (3 * 64) ** 0.5, "gaussian": 1 / 32}[start]
    assert down.std().item() == pytest.approx(spread, rel=0.1)


def test_an_orthogonal_start_learns_resumes_and_loads(
    make_run: MakeRun, tiny_model_folder: Path, last_logits: list[torch.Tensor]
) -> None:
    whole, stopped = (
        make_run(method={"initialisation": "orthogonal"}, max_steps=6, learning_rate=0.02) for _ in range(2)
    )
    carry_out(whole)
    told = losses(whole)
    assert (told[6] or 9) < (told[1] or 0)
    plain = logits_of(plainly_loaded(tiny_model_folder, whole.adapter))
    torch.testing.assert_close(plain, last_logits[0], rtol=1e-4, atol=1e-4)
    carry_out(stopped, StopAt(stopped, 3))
    carry_out(stopped)
    assert losses(stopped) == told
