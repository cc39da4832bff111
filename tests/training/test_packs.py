"""Frozen matrices in oneDNN's layout: the same numbers, decided once a CPU, and again as a run was begun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from training_runs import MakeRun, adapted, carry_out, loss_and_gradients, random_rows

from workbench.training import packs
from workbench.training.objective import choose_objective
from workbench.training.packs import PackChoices, PackedMatrix, faster_packed

CPU = "a CPU"


def everything(file: Path) -> PackChoices:
    """Choices that pack whatever may be packed."""

    class Always(dict[str, bool]):
        def get(self, key: str, default: object = None) -> bool:
            return True

    return PackChoices(file, CPU, Always())


def test_a_packed_matrix_multiplies_alike() -> None:
    matrix, inputs = torch.randn(48, 32), torch.randn(70, 32)
    torch.testing.assert_close(PackedMatrix(matrix, 16)(inputs), inputs @ matrix.t())


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj"]])
def test_losses_and_gradients_stay_the_same(tmp_path: Path, targets: object) -> None:
    plain = adapted("llama", target_modules=targets)
    expected_loss, expected = loss_and_gradients(choose_objective(plain, random_rows()), plain)
    model = adapted("llama", target_modules=targets)
    choices = everything(tmp_path / "cpu.json")
    objective = choose_objective(model, random_rows(), packs=choices)
    assert objective.fused and objective.packed_head
    assert len(choices.taken) == (1 if targets == "all-linear" else 6), "shapes, there and back"
    loss, gradients = loss_and_gradients(objective, model)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-4)


def test_a_shape_is_tried_once_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[torch.Size] = []

    def tell(matrix: torch.Tensor, rows: int) -> bool:
        tried.append(matrix.shape)
        return True

    monkeypatch.setattr(packs, "faster_packed", tell)
    for _ in range(2):
        assert PackChoices(tmp_path / "cpu.json", CPU).packed(torch.randn(6, 4), 8)
    assert tried == [(6, 4)]
    assert not PackChoices(tmp_path / "cpu.json", CPU, {}).packed(torch.randn(6, 4), 8), "a run goes on as it began"
    assert PackChoices(tmp_path / "cpu.json", "another CPU").packed(torch.randn(6, 4), 8)
    assert len(tried) == 2


def test_a_product_that_differs_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs.PackedMatrix, "__call__", lambda self, inputs: torch.zeros(len(inputs), 6))
    assert not faster_packed(torch.randn(6, 4), 8)


def test_a_run_records_its_choice(make_run: MakeRun) -> None:
    run = make_run(max_steps=2)
    carry_out(run)
    packed = json.loads(run.environment.read_text())["packed"]
    kept = json.loads((run.path.parent.parent / "cpu.json").read_text())
    assert packed and packed in kept.values()
