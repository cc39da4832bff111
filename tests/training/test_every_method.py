"""Every method there is, found by the registry: what it trains, saves, merges, and that it resumes as if never stopped.

A method that is added is tested by itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loading import base_model, logits_of, merged, plainly_loaded
from safetensors import safe_open
from training_runs import StopAt, carry_out, losses

from workbench.adapter_folder import CHANGED_WEIGHTS, weights_of
from workbench.calculator.device import Device
from workbench.config import RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.errors import WorkbenchError
from workbench.events import Finished, Phase, PhaseChanged, Started, StepLogged
from workbench.home import Home
from workbench.method import METHODS
from workbench.models import Models
from workbench.runs.folder import RunFolder
from workbench.training import memory

KINDS = tuple(METHODS.kinds())
USABLE = tuple(kind for kind in KINDS if not METHODS.get(kind).needs_cuda)
STEPS, STOPPED = 10, 4
SMALL = {"rank": 4, "block_size": 8, "tokens": 4, "layers": 1, "study_rows": 12}
NARROWER = {"adalora": {"rank": 6, "target_rank": 3}}
RATES = {"full": 0.003, "last_k": 0.005, "lora_ga": 0.002, "corda": 0.005}
"""Methods that move large weights at once learn slower."""
IN_HALF = 36**0.5 * torch.finfo(torch.bfloat16).eps
"""Error of a model in bfloat16, relative to its logits: each of three layers rounds a dozen results (two norms, seven
products, attention, two sums), and errors of one epsilon that do not know of each other add up by their squares."""


def config_of(kind: str, base: Path, dataset: Path, **training: Any) -> RunConfig:
    fields = METHODS.get(kind).model_fields
    small = {name: value for name, value in SMALL.items() if name in fields} | NARROWER.get(kind, {})
    return RunConfig.parse(
        {
            "base_model": f"folder:{base}",
            "data": {"dataset": str(dataset), "validation_share": 0.0, "max_length": 64},
            "method": {"kind": kind, **small},
            "training": {
                "max_steps": STEPS,
                "learning_rate": RATES.get(kind, 0.02),
                "batch_size": 4,
                "schedule": "constant",
                "save_every": 100,
                "precision": "fp32",
                "threads": 1,
                **training,
            },
        }
    )


def suitable(kind: str, tiny_model_folder: Path, tiny_gpt2_folder: Path) -> Path:
    """The tiny Llama, or for a method that it has nothing for, the tiny GPT-2."""
    method = METHODS.get(kind).model_validate({"kind": kind, "layers": 1} if kind == "last_k" else {"kind": kind})
    fitting = not any(problem.field == "method.kind" for problem in method.check(read_blueprint(tiny_model_folder)))
    return tiny_model_folder if fitting else tiny_gpt2_folder


@pytest.mark.parametrize("kind", USABLE)
def test_a_method_does_all_that_a_run_asks_of_it(
    kind: str,
    home: Home,
    tmp_path: Path,
    tiny_model_folder: Path,
    tiny_gpt2_folder: Path,
    tiny_dataset_file: Path,
    last_logits: list[torch.Tensor],
) -> None:
    base = suitable(kind, tiny_model_folder, tiny_gpt2_folder)
    config = config_of(kind, base, tiny_dataset_file)
    run = RunFolder.create(home, config)
    events = carry_out(run)
    assert isinstance(events[-1], Finished), run.log_tail()
    assert_it_trained_what_is_counted(config, base, run)
    assert_it_learnt(run)
    plain = logits_of(plainly_loaded(base, run.adapter))
    torch.testing.assert_close(plain, last_logits[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(plain, logits_of(base_model(base)), atol=1e-2)
    whole = merged(base, run.adapter, tmp_path / "merged")
    if whole is not None:
        torch.testing.assert_close(logits_of(whole), last_logits[0], rtol=1e-3, atol=1e-3)
        half = merged(base, run.adapter, tmp_path / "half", torch.bfloat16)
        assert half.dtype == torch.bfloat16
        assert (logits_of(half) - last_logits[0]).norm() < IN_HALF * last_logits[0].norm()
    assert_a_stopped_run_ends_alike(run)


def assert_it_trained_what_is_counted(config: RunConfig, base: Path, run: RunFolder) -> None:
    counted = config.method.count(read_blueprint(base))
    started = next(event for event in run.events() if isinstance(event, Started))
    moves = METHODS.get(config.method.kind).studies and counted.bound is not None
    assert started.base_parameters == counted.base
    assert started.trainable <= (counted.bound or 0) if moves else started.trainable == counted.trainable
    saved = sum(numbers(file) for file in weights_of(run.adapter))
    assert saved >= started.trainable or counted.bound is not None


def numbers(file: Path) -> int:
    with safe_open(file, "pt") as saved:
        return sum(saved.get_tensor(name).numel() for name in saved.keys())  # noqa: SIM118


def assert_it_learnt(run: RunFolder) -> None:
    told = [event.loss for event in run.events() if isinstance(event, StepLogged) and event.loss is not None]
    assert len(told) == STEPS
    assert sum(told[-3:]) < sum(told[:3])


def assert_a_stopped_run_ends_alike(run: RunFolder) -> None:
    stopped = RunFolder.create(Home(run.path.parent.parent), run.config)
    carry_out(stopped, StopAt(stopped, STOPPED))
    assert len(losses(stopped)) == STOPPED
    carry_out(stopped)
    assert losses(stopped) == losses(run)
    for mine, theirs in zip(weights_of(stopped.adapter), weights_of(run.adapter), strict=True):
        assert mine.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("kind", [kind for kind in USABLE if not METHODS.get(kind).cannot_recompute])
def test_recomputed_activations_give_the_same_losses(
    kind: str, home: Home, tiny_model_folder: Path, tiny_gpt2_folder: Path, tiny_dataset_file: Path
) -> None:
    base = suitable(kind, tiny_model_folder, tiny_gpt2_folder)
    kept, again = (
        RunFolder.create(home, config_of(kind, base, tiny_dataset_file, recompute_activations=wish))
        for wish in ("never", "always")
    )
    carry_out(kept)
    carry_out(again)
    assert json.loads(again.environment.read_text())["recompute_activations"]
    assert losses(again) == pytest.approx(losses(kept), rel=1e-3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if METHODS.get(kind).cannot_recompute])
def test_a_method_that_cannot_recompute_activations_is_refused_that_and_still_runs_by_itself(
    kind: str, home: Home, tiny_model_folder: Path, tiny_dataset_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(kind, tiny_model_folder, tiny_dataset_file, recompute_activations="always")
    with pytest.raises(WorkbenchError) as refused:
        carry_out(RunFolder.create(home, config))
    assert [problem.field for problem in refused.value.problems] == ["training.recompute_activations"]
    Models(home, lambda _: read_blueprint(tiny_model_folder)).blueprint(config.base_model)
    full = Device(kind="cpu", name="a full one", total=1, free=1, fast_bf16=False)
    monkeypatch.setattr(memory, "this_device", lambda: full)
    run = RunFolder.create(home, config_of(kind, tiny_model_folder, tiny_dataset_file, max_steps=2))
    assert isinstance(carry_out(run)[-1], Finished)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in USABLE])
def test_a_method_that_needs_a_gpu_is_refused_on_a_cpu_before_anything_loads(
    kind: str, home: Home, tiny_model_folder: Path, tiny_dataset_file: Path
) -> None:
    run = RunFolder.create(home, config_of(kind, tiny_model_folder, tiny_dataset_file, quantization="nf4"))
    with pytest.raises(WorkbenchError) as refused:
        carry_out(run)
    assert refused.value.problems[0].field == "method.kind"
    assert "GPU" in refused.value.message
    phases = [event.phase for event in run.events() if isinstance(event, PhaseChanged)]
    assert phases == [Phase.STARTING]


def test_a_tied_weight_is_saved_once(home: Home, tiny_model_folder: Path, tiny_dataset_file: Path) -> None:
    run = RunFolder.create(home, config_of("full", tiny_model_folder, tiny_dataset_file, max_steps=1))
    carry_out(run)
    with safe_open(run.adapter / CHANGED_WEIGHTS, "pt") as saved:
        names = set(saved.keys())
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names
    assert numbers(run.adapter / CHANGED_WEIGHTS) == read_blueprint(tiny_model_folder).parameters
