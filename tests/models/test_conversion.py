"""A GGUF file becomes a safetensors folder once, whole or not at all, and again when it was tampered with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from tiny_gguf import write_tiny_gguf

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import conversion
from workbench.models.fetch import local_folder, revision
from workbench.models.source import open_source


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def kept_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def folder(gguf_file: Path, kept_home: Home) -> Path:
    return local_folder(f"gguf:{gguf_file}", kept_home)


def test_a_converted_folder_has_weights_tokenizer_and_a_manifest_of_all_its_files(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(manifest["files"])
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    with safe_open(folder / "model.safetensors", "np") as weights:
        assert weights.get_slice("model.layers.0.mlp.gate_proj.weight").get_shape() == [64, 32]


def test_nothing_half_built_stays_behind(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_second_call_converts_nothing(
    folder: Path, gguf_file: Path, kept_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_write_safetensors", lambda *_: pytest.fail("converted a second time"))
    told: list[str] = []
    assert local_folder(f"gguf:{gguf_file}", kept_home, lambda detail, done=None: told.append(detail)) == folder
    assert told == ["checking the model's files"]
    assert len(revision(f"gguf:{gguf_file}", kept_home)) == 64


def test_a_changed_byte_is_found_and_the_file_converted_anew(folder: Path, gguf_file: Path, kept_home: Home) -> None:
    weights = folder / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    told: list[str] = []
    local_folder(f"gguf:{gguf_file}", kept_home, lambda detail, done=None: told.append(detail))
    assert "writing safetensors" in told
    assert weights.read_bytes() == good


def test_a_failed_conversion_leaves_nothing(gguf_file: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_file: Path, into: Path, _progress: object) -> None:
        (into / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion, "_write_safetensors", breaks)
    with pytest.raises(OSError, match="No space"):
        local_folder(f"gguf:{gguf_file}", home)
    assert [path.name for path in home.models.iterdir() if not path.name.endswith(".lock")] == []
    assert not conversion.is_converted(f"gguf:{gguf_file}", home)


def test_a_truncated_file_is_refused_with_a_remedy(gguf_file: Path, tmp_path: Path, home: Home) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf_file.read_bytes()[:6000])
    with pytest.raises(WorkbenchError) as caught:
        local_folder(f"gguf:{cut}", home)
    assert caught.value.problems[0].field == "base_model"
    assert "download it anew" in caught.value.remedy
    assert "cut off" in caught.value.message


@pytest.mark.parametrize("name", ["absent.gguf", "text.gguf"])
def test_what_is_no_gguf_file_is_refused(name: str, tmp_path: Path, home: Home) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(WorkbenchError, match=name):
        local_folder(f"gguf:{tmp_path / name}", home)
    assert not open_source(f"gguf:{tmp_path / name}", home).ready()


def test_a_full_disk_is_said_before_anything_is_written(
    gguf_file: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(WorkbenchError, match="are free") as caught:
        local_folder(f"gguf:{gguf_file}", home)
    assert "Free some space" in caught.value.remedy
