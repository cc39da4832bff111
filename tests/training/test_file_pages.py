"""What was read of a model's file leaves memory, and is there again when it is asked for."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file, save_file

from workbench.training.file_pages import FilePages

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
