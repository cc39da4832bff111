"""Rows that go side by side give the numbers of one pass, time and again."""

from __future__ import annotations

import contextlib
import gc
import json
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from training_runs import MakeRun, StopAt, adapted, carry_out, loss_and_gradients, losses, random_rows

from workbench.calculator import memory
from workbench.training import loss as head
from workbench.training import strands
from workbench.training.batches import Batch
from workbench.training.objective import choose_objective
from workbench.training.rows import Row
from workbench.training.strands import Strands, parted

LEAST = strands._LEAST


@pytest.fixture(autouse=True)
def any_row_is_worth_a_strand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strands, "_LEAST", 1)


def rows(*lengths: int) -> list[Row]:
    """No two of which begin alike."""
    return [
        Row(torch.arange(length) + 100 * number, torch.ones(length).bool()) for number, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("lengths", "count", "longest"),
    [((9, 8, 7, 6, 5), 2, 18), ((3, 3, 2, 2, 2), 2, 6), ((10, 1, 1), 2, 10), ((5, 5, 4, 4, 3, 3), 3, 8)],
)
def test_parts_have_about_as_many_tokens(lengths: tuple[int, ...], count: int, longest: int) -> None:
    parts = parted(rows(*lengths), count)
    assert max(sum(len(row.input_ids) for row in part) for part in parts) == longest
    numbers = [[int(row.input_ids[0]) // 100 for row in part] for part in parts]
    assert sorted(number for part in numbers for number in part) == list(range(len(lengths)))
    assert all(part == sorted(part) for part in numbers)


@pytest.mark.parametrize("threads", [2, 3])
def test_losses_and_gradients_are_those_of_one_pass(threads: int) -> None:
    model = adapted("llama")
    objective = choose_objective(model, random_rows(), threads=threads)
    given = [random_rows()[index] for index in range(5)]
    batch = objective.batch(given)
    assert len(batch["strands"]) == threads
    assert batch["tokens"] == sum(len(row.input_ids) for row in given)
    loss, gradients = loss_and_gradients(objective, model)
    expected_loss, expected = loss_and_gradients(replace(objective, strands=None), model)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-4)
    again_loss, again = loss_and_gradients(objective, model)
    assert again_loss == loss
    for name, gradient in gradients.items():
        torch.testing.assert_close(again[name], gradient, rtol=0, atol=0)


def test_an_evaluation_goes_side_by_side_too() -> None:
    objective = choose_objective(adapted("llama"), random_rows(), threads=2)
    batch = objective.batch([random_rows()[3], random_rows()[4]])
    with torch.no_grad():
        found = objective(batch)
        expected = replace(objective, strands=None)(objective.collate([random_rows()[3], random_rows()[4]]))
    assert len(batch["strands"]) == 2
    assert not found.requires_grad
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("lengths", [(20,), (20, 9), (20, 3, 3)], ids=str)
def test_rows_that_do_not_part_evenly_stay_together(lengths: tuple[int, ...]) -> None:
    objective = choose_objective(adapted("llama"), random_rows(), threads=2)
    assert "strands" not in objective.batch(rows(*lengths))


def test_a_strand_has_tokens_enough_for_reading_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strands, "_LEAST", 16)
    objective = choose_objective(adapted("llama"), random_rows(), threads=2)
    assert "strands" in objective.batch(rows(20, 20))
    assert "strands" not in objective.batch(rows(15, 15))


def test_what_draws_at_random_or_has_one_thread_takes_one_pass() -> None:
    assert choose_objective(adapted("llama"), random_rows()).strands is None
    assert choose_objective(adapted("llama"), random_rows(), threads=2, noisy=True).strands is None
    assert choose_objective(adapted("llama", lora_dropout=0.1), random_rows(), threads=2).strands is None


def test_the_error_of_a_strand_is_the_steps_error() -> None:
    def compute(batch: Batch) -> Tensor:
        if batch["fails"]:
            raise MemoryError("no more")
        loss: Tensor = batch["loss"]
        return loss

    weight = torch.ones((), requires_grad=True)
    both: list[Batch] = [{"fails": False, "loss": weight * 2}, {"fails": True}]
    with pytest.raises(MemoryError, match="no more"):
        Strands(2).loss(compute, both, [weight])


def test_a_strand_that_failed_lets_go_of_what_it_held() -> None:
    """Memory that ran out is there again for the step in halves, without waiting for the garbage collector."""
    held: list[weakref.ref[Tensor]] = []

    def compute(_: Batch) -> Tensor:
        states = torch.ones(3)
        held.append(weakref.ref(states))
        raise MemoryError

    gc.disable()
    try:
        with contextlib.suppress(MemoryError):
            Strands(2).loss(compute, [{}, {}], [torch.ones((), requires_grad=True)])
        assert [reference() for reference in held] == [None, None]
    finally:
        gc.enable()


def test_a_weight_that_one_strand_alone_uses_has_that_strands_gradient() -> None:
    one, other, none = (torch.ones((), requires_grad=True) for _ in range(3))
    both: list[Any] = [one * 2 + other, one * 3]
    loss = Strands(2).loss(lambda batch: batch["loss"], [{"loss": each} for each in both], [one, other, none])
    (loss / 2).backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 6
    assert one.grad is not None and other.grad is not None
    assert (one.grad.item(), other.grad.item(), none.grad) == (2.5, 0.5, None)


def test_a_resumed_run_equals_an_uninterrupted_one(make_run: MakeRun) -> None:
    settings: dict[str, Any] = {"threads": 2, "batch_size": 6, "method": {"dropout": 0.0}, "max_steps": 6}
    whole = make_run(**settings)
    carry_out(whole)
    assert json.loads(whole.environment.read_text())["side_by_side"] is True
    halved = make_run(**settings)
    carry_out(halved, StopAt(halved, 3))
    (halved.path / "stop").unlink(missing_ok=True)
    carry_out(halved)
    assert losses(halved) == losses(whole)


def test_the_memory_estimate_counts_with_the_same_sizes() -> None:
    assert (memory._CHUNK, memory._STRAND) == (head.CHUNK, LEAST)
