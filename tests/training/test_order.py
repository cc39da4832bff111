"""Which rows make a batch: every row once an epoch, within bounds, decided by seed and epoch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_runs import MakeRun, StopAt, carry_out, losses, random_rows, untrained

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Started
from workbench.training.batches import flattened, padded
from workbench.training.noise import EmbeddingNoise, row_lengths
from workbench.training.order import ShuffledBatches, best_fit, order_of, within_budget
from workbench.training_config import TrainingConfig

LENGTHS = st.lists(st.integers(1, 64), min_size=1, max_size=60)


def test_order_is_decided_by_seed_and_epoch() -> None:
    batches = ShuffledBatches(rows=10, batch_size=4, seed=7)
    first = list(batches)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(index for batch in first for index in batch) == list(range(10))
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first


@given(LENGTHS)
def test_packed_rows_fit_and_none_is_lost(lengths: list[int]) -> None:
    groups = best_fit(lengths, capacity=64)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    sums = [sum(lengths[row] for row in group) for group in groups]
    assert max(sums) <= 64
    if len(sums) > 1:  # no two could have been one
        assert sum(sorted(sums)[:2]) > 64


def test_the_best_fit_is_taken_not_the_first() -> None:
    assert best_fit([6, 5, 4, 5], capacity=10) == [[0, 2], [1, 3]]


@given(LENGTHS, st.integers(16, 128))
def test_a_token_budget_is_kept_but_by_a_row_that_is_longer(lengths: list[int], budget: int) -> None:
    groups = within_budget(lengths, budget, seed=3)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or sum(lengths[row] for row in group) <= budget for group in groups)


def test_every_epoch_has_the_same_number_of_batches_in_another_order() -> None:
    training = TrainingConfig(batch_tokens=64, seed=5)
    order = order_of([20, 30, 40, 10, 50, 25, 60], training, capacity=64)
    first = list(order)
    order.set_epoch(1)
    assert sorted(map(sorted, first)) == sorted(map(sorted, order))
    assert len(first) == len(order)


def test_a_budget_and_packing_together_are_refused() -> None:
    with pytest.raises(WorkbenchError) as caught:
        RunConfig.parse({"training": {"packing": True, "batch_tokens": 512}})
    assert caught.value.problems[0].field == "training.packing"


@pytest.mark.parametrize("how", [{"packing": True, "batch_size": 2}, {"batch_tokens": 100}, {"neftune_alpha": 5.0}])
def test_a_resumed_run_goes_on_with_the_batches_of_an_uninterrupted_one(make_run: MakeRun, how: dict[str, int]) -> None:
    whole = make_run(**how, max_steps=8)
    carry_out(whole)
    halved = make_run(**how, max_steps=8)
    carry_out(halved, StopAt(halved, 4))
    (halved.path / "stop").unlink(missing_ok=True)
    events = carry_out(halved)
    assert losses(halved) == losses(whole)
    assert sum(isinstance(event, Started) for event in events) == 2


def test_noise_is_as_large_as_the_rows_own_length_says() -> None:
    rows = [random_rows()[0], random_rows()[4]]
    model = untrained("llama").train()
    still = model.get_input_embeddings()(flattened(rows)["input_ids"])
    noise = EmbeddingNoise(model, alpha=5.0)
    noise.of(flattened(rows))
    moved = (model.get_input_embeddings()(flattened(rows)["input_ids"]) - still).abs()[0]
    for part, length in ((moved[:7], 7), (moved[7:], 27)):
        most = 5.0 / (length * 32) ** 0.5
        assert 0.8 * most < part.max() <= most * 1.0001
    model.eval()
    torch.testing.assert_close(model.get_input_embeddings()(flattened(rows)["input_ids"]), still)
    assert row_lengths(padded(rows))[:, 0].tolist() == [7, 27]
