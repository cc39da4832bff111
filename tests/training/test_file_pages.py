"""What was read of a model's file leaves memory, and is there again when it is asked for."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from workbench.training.file_pages import FilePages, release_replaced

BYTES = 64 * 2**20


def mapped_bytes(file: Path) -> int:
    maps = psutil.Process().memory_maps()
    return sum(each.rss for each in maps if each.path == str(file))


def test_pages_of_a_mapped_file_are_given_back_and_its_neighbours_stay(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    values = torch.arange(BYTES // 4, dtype=torch.float32)
    save_file({"first": values, "second": values + 1}, file)
    weights = load_file(file)
    weights["second"].mul_(2)
    assert torch.equal(weights["first"], values)
    before = mapped_bytes(file)
    assert before >= 2 * BYTES
    assert FilePages().release(weights["first"])
    assert mapped_bytes(file) < before - 0.9 * BYTES
    assert torch.equal(weights["second"], 2 * (values + 1))
    assert torch.equal(weights["first"], values)


def test_values_that_lie_in_no_file_stay() -> None:
    weight = torch.arange(BYTES // 4, dtype=torch.float32)
    assert not FilePages().release(weight[3:])
    assert torch.equal(weight, torch.arange(BYTES // 4, dtype=torch.float32))
    assert not FilePages().release(torch.ones(3))


def test_of_weights_that_a_method_moves_only_those_that_were_replaced_leave_memory(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    values = torch.arange(BYTES // 4, dtype=torch.float32)
    save_file({"moved": values, "stayed": values + 1}, file)
    weights = load_file(file)
    model = nn.ParameterDict({name: nn.Parameter(weight) for name, weight in weights.items()})
    before = [parameter.data for parameter in model.parameters()]
    model["moved"].data = 2 * model["moved"].data
    model["stayed"].data.add_(1)
    touched = mapped_bytes(file)
    release_replaced(before, model)
    assert touched - BYTES * 1.1 < mapped_bytes(file) < touched - BYTES * 0.9
    assert torch.equal(model["moved"], 2 * values)
    assert torch.equal(model["stayed"], values + 2)
