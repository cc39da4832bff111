"""Why an adapter does nothing: found in its own files, without loading them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.home import Home
from workbench.playground.effect import all_zero, likely_causes
from workbench.runs import Runs
from workbench.runs.folder import RunFolder


def save_weights(path: Path, **tensors: bytes) -> None:
    """A safetensors file of 32-bit floats with these bytes."""
    header, place = {}, 0
    for name, data in tensors.items():
        header[name] = {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [place, place + len(data)]}
        place += len(data)
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + b"".join(tensors.values()))


def test_zero_matrices_are_found_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    something = b"\0\0\x80\x3f"
    save_weights(path, lora_A=something, lora_B=bytes(3 * 2**20))
    assert all_zero(path, ("lora_B",))
    save_weights(path, lora_A=something, lora_B=bytes(3 * 2**20) + something)
    assert not all_zero(path, ("lora_B",))
    save_weights(path, lora_A=something)
    assert not all_zero(path, ("lora_B",))


@pytest.fixture
def run(home: Home, make_run: Callable[..., RunFolder]) -> RunFolder:
    folder = make_run(data={"chat_template": "colon"})
    folder.adapter.mkdir()
    (folder.adapter / "adapter_config.json").write_text("{}")
    save_weights(folder.adapter / "adapter_model.safetensors", lora_A=b"\0\0\x80\x3f", lora_B=bytes(8))
    return folder


def test_every_cause_is_named_with_its_remedy(home: Home, run: RunFolder) -> None:
    runs = Runs(home)
    runs.start()
    try:
        causes = likely_causes(home, runs, f"{run.id}@0")
    finally:
        runs.close()
    expected = ("strength is 0", "all zero", "step 0", "template “colon”")
    assert [words in cause.message for words, cause in zip(expected, causes, strict=True)] == [True] * 4
    assert all(cause.remedy for cause in causes)
    assert likely_causes(home, runs, "base") == []
