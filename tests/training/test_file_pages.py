"""What was read of a model's file leaves memory, and is there again when it is asked for."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file, save_file

from workbench.training.file_pages import release_pages

BYTES = 64 * 2**20


def mapped_bytes(file: Path) -> int:
    maps = psutil.Process().memory_maps()
    return sum(each.rss for each in maps if each.path == str(file))


def test_pages_of_a_mapped_file_are_given_back_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"weight": torch.arange(BYTES // 4, dtype=torch.float32)}, file)
    weight = load_file(file)["weight"]
    total = weight.sum()
    before = mapped_bytes(file)
    assert before >= BYTES
    release_pages(weight)
    assert mapped_bytes(file) < before / 4
    assert weight.sum() == total


def test_values_that_lie_in_no_file_stay() -> None:
    weight = torch.arange(BYTES // 4, dtype=torch.float32)
    release_pages(weight[3:])
    assert torch.equal(weight, torch.arange(BYTES // 4, dtype=torch.float32))
    release_pages(torch.ones(3))
