"""A folder is taken only when it can be loaded whole and without running code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.fetch import local_folder, revision
from workbench.models.source import open_source

BASE_FIELD = "base_model_name_or_path"


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))


def refusal(folder: Path, home: Home) -> str:
    """The whole text of why `folder` is not taken."""
    assert not open_source(f"folder:{folder}", home).ready()
    with pytest.raises(WorkbenchError) as caught:
        local_folder(f"folder:{folder}", home)
    assert caught.value.problems[0].field == "base_model"
    assert caught.value.remedy
    return str(caught.value)


def test_a_whole_folder_is_used_where_it_lies(folder: Path, home: Home) -> None:
    assert open_source(f"folder:{folder}", home).ready()
    assert local_folder(f"folder:{folder}", home) == folder
    assert len(revision(f"folder:{folder}", home)) == 16


def test_the_revision_follows_the_weights(folder: Path, home: Home) -> None:
    before = revision(f"folder:{folder}", home)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert revision(f"folder:{folder}", home) != before


def test_pickled_weights_alone_are_refused(folder: Path, home: Home) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin" in refusal(folder, home)


@pytest.mark.parametrize("layout", ["peft", "peft beside a config", "changed", "pair"])
def test_an_adapter_in_place_of_a_base_model_is_refused_with_its_base(
    layout: str, folder: Path, tmp_path: Path, home: Home
) -> None:
    adapter = tmp_path / "adapter"
    places = {"changed": ("changed_weights.json", "base_model"), "pair": ("lora/adapter_config.json", BASE_FIELD)}
    file, field = places.get(layout, ("adapter_config.json", BASE_FIELD))
    for path in (adapter / file, adapter / "prefix" / "adapter_config.json") if layout == "pair" else (adapter / file,):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({field: "org/some-model"}))
    if layout == "peft beside a config":
        shutil.copy(folder / "config.json", adapter)
        shutil.copy(folder / "model.safetensors", adapter / "adapter_model.safetensors")
    told = refusal(adapter, home)
    assert "holds an adapter, not a base model" in told
    assert "org/some-model" in told


def test_a_folder_without_weights_is_refused(folder: Path, home: Home) -> None:
    (folder / "model.safetensors").unlink()
    assert "no weights" in refusal(folder, home)


def test_a_cut_off_weights_file_is_refused(folder: Path, home: Home) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cut off" in refusal(folder, home)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, (8).to_bytes(8, "little") + b"not json"])
def test_what_is_no_safetensors_file_is_refused(content: bytes, folder: Path, home: Home) -> None:
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in refusal(folder, home)


def test_a_missing_shard_is_named(folder: Path, home: Home) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors" in refusal(folder, home)


def test_a_folder_without_tokenizer_is_refused(folder: Path, home: Home) -> None:
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer" in refusal(folder, home)


@pytest.mark.parametrize("content", ["{", "[]", '{"hidden_size": 8}'])
def test_a_config_that_says_nothing_is_refused(content: str, folder: Path, home: Home) -> None:
    (folder / "config.json").write_text(content)
    assert "config.json" in refusal(folder, home)


def test_an_absent_folder_is_refused(tmp_path: Path, home: Home) -> None:
    assert "There is no folder" in refusal(tmp_path / "nowhere", home)
