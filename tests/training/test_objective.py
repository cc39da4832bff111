"""The fast ways to a loss give the plain way's numbers, and models they do not suit are left on the plain way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PrefixTuningConfig, get_peft_model
from training_runs import control_loss, random_rows, untrained, with_lora
from transformers import AutoModelForCausalLM

from workbench.training.attention import SEGMENTS
from workbench.training.batches import padded, shared
from workbench.training.loss import CHUNK, frozen_head_loss
from workbench.training.objective import choose_objective
from workbench.training.rows import Row, Rows


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


def test_flattened_loss_and_gradients_equal_the_padded_control(tiny_model_folder: Path) -> None:
    rows = random_rows()
    model = with_lora(load(tiny_model_folder))
    objective = choose_objective(model, rows)
    assert (objective.collate, objective.head, objective.padded_because) == (shared, "chunked", "")
    assert objective.fused
    some = [rows[index] for index in range(len(rows))]
    batch = objective.collate(some)
    loss = objective(batch) / len(batch["targets"])
    loss.backward()  # type: ignore[no-untyped-call]
    ours = gradients(model)
    control = control_loss(model, some)
    control.backward()  # type: ignore[no-untyped-call]
    theirs = gradients(model)
    assert loss.item() == pytest.approx(control.item(), abs=1e-5)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma"])
def test_common_beginnings_are_computed_once_and_change_no_number(family: str) -> None:
    """Rows that begin alike, one inside another, one twice, and one whose common beginning is itself learnt."""
    first, other = random_rows()[4], random_rows()[3]
    rows = [
        first,
        Row(torch.cat([first.input_ids[:9], other.input_ids]), torch.cat([first.trained[:9], other.trained])),
        Row(first.input_ids[:12], first.trained[:12]),
        first,
        Row(first.input_ids[:9], torch.ones(9, dtype=torch.bool)),
    ]
    calm = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0} if family == "gpt2" else {}
    model = with_lora(untrained(family, **calm))
    objective = choose_objective(model, random_rows())
    assert objective.layout == "flattened, common beginnings once"
    batch = objective.collate(rows)
    assert batch["input_ids"].shape[1] == 26 + len(other.input_ids) - 1
    assert batch["tokens"] == sum(len(row.input_ids) for row in rows)
    loss = objective(batch) / len(batch["targets"])
    loss.backward()  # type: ignore[no-untyped-call]
    ours = gradients(model)
    control = control_loss(model, rows)
    control.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(control.item(), abs=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-5)


def test_rows_that_drop_at_random_do_so_each_for_itself(tiny_model_folder: Path) -> None:
    objective = choose_objective(with_lora(load(tiny_model_folder), lora_dropout=0.1), random_rows())
    assert objective.layout == "flattened"


def test_a_row_does_not_see_the_row_before_it(tiny_model_folder: Path) -> None:
    rows = random_rows()
    objective = choose_objective(with_lora(load(tiny_model_folder)), rows)
    alone = objective(objective.collate([rows[3]])).item()
    both = objective(objective.collate([rows[2], rows[3]])).item() - objective(objective.collate([rows[2]])).item()
    assert both == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize(("length", "smoothing"), [(1, 0.0), (CHUNK, 0.1), (2 * CHUNK + 3, 0.0), (2 * CHUNK + 3, 0.3)])
def test_chunked_head_loss_equals_cross_entropy(length: int, smoothing: float) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(length, 16, requires_grad=True)
    weight, targets = torch.randn(50, 16), torch.randint(0, 50, (length,))
    loss = frozen_head_loss(hidden, weight, targets, smoothing) * 0.5
    loss.backward()  # type: ignore[no-untyped-call]
    ours, hidden.grad = hidden.grad, None
    logits = hidden @ weight.T
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing) * 0.5
    expected.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours, hidden.grad)


def test_an_adapted_head_goes_through_its_module(tiny_model_folder: Path) -> None:
    rows = random_rows()
    model = with_lora(load(tiny_model_folder), modules_to_save=["lm_head"])
    objective = choose_objective(model, rows)
    assert objective.head == "module"
    some = [rows[0], rows[1]]
    batch = objective.collate(some)
    assert objective(batch).item() / len(batch["targets"]) == pytest.approx(control_loss(model, some).item(), abs=1e-5)


def test_logits_that_are_scaled_after_the_head_go_through_the_model() -> None:
    assert choose_objective(with_lora(untrained("granite", logits_scaling=8.0)), random_rows()).head == "module"


def test_a_window_shorter_than_the_rows_takes_the_padded_path() -> None:
    rows = random_rows()
    assert rows.longest == 27
    short = choose_objective(with_lora(untrained("mistral", sliding_window=16)), rows)
    assert short.collate is padded
    assert "window of 16 tokens" in short.padded_because
    assert short.model.config._attn_implementation == "sdpa"
    assert choose_objective(with_lora(untrained("mistral", sliding_window=64)), rows).collate is shared


def test_soft_caps_take_the_padded_path_and_the_whole_head() -> None:
    objective = choose_objective(with_lora(untrained("gemma2", head_dim=16, sliding_window=64)), random_rows())
    assert objective.collate is padded
    assert "softcap" in objective.padded_because
    assert objective.head == "module"


def test_virtual_tokens_take_the_padded_path(tiny_model_folder: Path) -> None:
    rows = random_rows()
    model = get_peft_model(load(tiny_model_folder), PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    objective = choose_objective(model, rows)
    assert (objective.collate, objective.head) == (padded, "whole")
    some = [rows[0], rows[1]]
    batch = objective.collate(some)
    assert objective(batch).item() / len(batch["targets"]) == pytest.approx(control_loss(model, some).item(), abs=1e-5)


def test_choosing_leaves_the_model_in_its_mode(tiny_model_folder: Path) -> None:
    model = with_lora(load(tiny_model_folder)).train()
    objective = choose_objective(model, random_rows())
    assert model.training
    assert objective.model.config._attn_implementation == SEGMENTS


def test_rows_without_an_answer_are_left_out_and_counted() -> None:
    encoded = [
        SimpleNamespace(input_ids=[1, 2, 3], trained=[False, False, True], cut=0),
        SimpleNamespace(input_ids=[1, 2, 3], trained=[True, False, False], cut=4),
    ]
    rows = Rows(encoded)  # type: ignore[arg-type]
    assert (len(rows), rows.empty, rows.cut, rows.tokens, rows.longest) == (1, 1, 1, 3, 3)
    assert rows[0].targets == 1
