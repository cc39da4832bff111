"""Search and download through the real hub client, from a hub on loopback: progress, stop, go on, refusals."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, Repository, serve_hub
from huggingface_hub import constants

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models, hub_files
from workbench.models.downloads import Download, DownloadPhase, Downloads
from workbench.models.fetch import local_folder
from workbench.models.source import open_source


@pytest.fixture
def hub(tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one good model, one gated, and one that has only pickled weights; and an empty cache."""
    pickled = Path(shutil.copytree(tiny_model_folder, tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    models = {
        "tiny/llama": Repository(tiny_model_folder, parameters=123),
        "tiny/gated-llama": Repository(tiny_model_folder, gated=True),
        "tiny/pickled": Repository(pickled),
    }
    with serve_hub(FakeHub(models)) as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
        monkeypatch.setattr(hub_files, "LARGE", 100_000)
        yield hub


def until(downloads: Downloads, reached: threading.Event, reference: str) -> Download:
    """The download as it stands when `reached`, which its thread sets, is."""
    assert reached.wait(20)
    return next(each for each in downloads.all() if each.reference == reference)


class Watched(Downloads):
    """Downloads that tell when one is half done, and when it has ended."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.under_way, self.ended = threading.Event(), threading.Event()

    def _set(self, state: Download) -> None:
        super()._set(state)
        if state.done:
            self.under_way.set()
        if state.phase is not DownloadPhase.RUNNING:
            self.ended.set()


def test_the_hub_is_searched_by_name(hub: FakeHub, home: Home) -> None:
    found = {model.reference: model for model in Models(home).search("llama")}
    assert set(found) == {"hub:tiny/llama", "hub:tiny/gated-llama"}
    assert (found["hub:tiny/llama"].parameters, found["hub:tiny/llama"].download_bytes) == (123, 492)
    assert found["hub:tiny/gated-llama"].gated


def test_a_card_tells_what_the_hub_knows_before_anything_is_fetched(hub: FakeHub, home: Home) -> None:
    models = Models(home)
    card = models.card("hub:tiny/llama")
    assert (card.ready, card.licence, card.parameters, card.download_bytes) == (False, "apache-2.0", 123, 492)
    assert "no safetensors" in models.card("hub:tiny/pickled").obstacle
    assert models.card("hub:tiny/gated-llama").gated
    assert hub.asked == []


def test_a_download_ends_in_a_model_that_is_ready(hub: FakeHub, home: Home) -> None:
    downloads = Watched(home)
    downloads.start("hub:tiny/llama")
    assert until(downloads, downloads.ended, "hub:tiny/llama").phase is DownloadPhase.FINISHED
    assert open_source("hub:tiny/llama", home).ready()
    assert (local_folder("hub:tiny/llama", home) / "model.safetensors").is_file()


def test_a_stopped_download_leaves_no_model_and_goes_on_where_it_was(hub: FakeHub, home: Home) -> None:
    hub.chunk_seconds = 0.05
    downloads = Watched(home)
    downloads.start("hub:tiny/llama")
    assert downloads.under_way.wait(20)
    downloads.stop("hub:tiny/llama")
    assert until(downloads, downloads.ended, "hub:tiny/llama").phase is DownloadPhase.STOPPED
    assert not open_source("hub:tiny/llama", home).ready()
    hub.chunk_seconds = 0.0
    hub.asked.clear()
    downloads.ended.clear()
    downloads.start("hub:tiny/llama")
    assert until(downloads, downloads.ended, "hub:tiny/llama").phase is DownloadPhase.FINISHED
    (asked,) = [asked for name, asked in hub.asked if name == "model.safetensors"]
    assert int(asked.removeprefix("bytes=").rstrip("-")) > 0
    assert open_source("hub:tiny/llama", home).ready()


def test_a_file_that_arrives_damaged_is_no_model(hub: FakeHub, home: Home, tmp_path: Path) -> None:
    partial = tmp_path / "cache" / "models--tiny--llama" / "blobs"
    partial.mkdir(parents=True)
    content = (hub.repositories["tiny/llama"].folder / "model.safetensors").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (partial / f"{digest}.part").write_bytes(b"x" * 1000)
    with pytest.raises(WorkbenchError, match="damaged"):
        local_folder("hub:tiny/llama", home)
    assert not open_source("hub:tiny/llama", home).ready()
    assert (local_folder("hub:tiny/llama", home) / "model.safetensors").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("tiny/gated-llama", "is gated", "HF_TOKEN"),
        ("tiny/pickled", "no safetensors", "safetensors copy"),
        ("tiny/absent", "has no model", "spelling"),
    ],
)
def test_a_download_that_cannot_be_says_why(hub: FakeHub, home: Home, name: str, message: str, remedy: str) -> None:
    downloads = Watched(home)
    downloads.start(f"hub:{name}")
    ended = until(downloads, downloads.ended, f"hub:{name}")
    assert ended.phase is DownloadPhase.FAILED
    assert message in ended.problem
    assert remedy in ended.remedy
    with pytest.raises(WorkbenchError, match=message):
        local_folder(f"hub:{name}", home)


def test_a_full_disk_is_seen_before_the_first_byte(hub: FakeHub, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(WorkbenchError, match="are free"):
        open_source("hub:tiny/llama", home).fetch(lambda detail, done=None: None)
    assert hub.asked == []
