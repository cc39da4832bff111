"""Adapters from elsewhere: what is taken, what is refused and why, and that nothing gets out of a zip but data."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_homes import save_random_adapter
from fake_hub import FakeHub, Repository, serve_hub
from peft import LNTuningConfig, LoHaConfig, PromptTuningConfig

from workbench.engine.blueprint import blueprint_of
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground import adapter_zip
from workbench.playground.adapters import AdapterLibrary
from workbench.playground.service import choices_of
from workbench.protocol.added import adapter_folder
from workbench.records.base_models import Blueprint


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Path:
    """A real adapter of the tiny model, with what a checkpoint holds beside it."""
    folder = save_random_adapter(tiny_model_folder, tmp_path_factory.mktemp("saved") / "faq")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "optimizer.pt").write_bytes(b"not to be read")
    return folder


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Blueprint:
    return blueprint_of(f"folder:{tiny_model_folder}", Home(tmp_path_factory.mktemp("shape")))


@pytest.fixture
def library(home: Home, shape: Blueprint) -> AdapterLibrary:
    return AdapterLibrary(home, lambda _: shape)


def zipped(path: Path, files: dict[str, bytes | Path]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
    return path


def test_a_folder_is_copied_as_data_alone(library: AdapterLibrary, home: Home, saved: Path) -> None:
    added = library.add_folder(str(saved), "folder:tiny", "my adapter / 1")
    assert (added.kind, added.name, added.method, added.rank) == ("adapter", "my adapter / 1", "lora", 4)
    kept = {path.name for path in adapter_folder(home, added.id).iterdir()}
    assert kept == {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"}
    assert library.list("folder:tiny") == [added] == library.list()
    assert library.list("folder:other") == []
    assert [choice.id for choice in choices_of(added)] == [added.id]
    library.remove(added.id)
    assert list(home.adapters.iterdir()) == []
    with pytest.raises(WorkbenchError, match="was added"):
        library.remove(added.id)
    with pytest.raises(WorkbenchError, match="was added"):
        library.remove("../runs")


def test_other_methods_are_taken_by_their_own_base_alone(
    library: AdapterLibrary, shape: Blueprint, home: Home, tiny_model_folder: Path, tmp_path: Path
) -> None:
    loha = LoHaConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"])
    norms = LNTuningConfig(task_type="CAUSAL_LM", target_modules=["norm"])
    prompt = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    for name, config in {"loha": loha, "norms": norms, "prompt": prompt}.items():
        folder = save_random_adapter(tiny_model_folder, tmp_path / name, config=config)
        assert library.add_folder(str(folder), "folder:tiny", name).name == name
    shallow = shape.model_copy(update={"modules": tuple(one for one in shape.modules if one.layer in (None, 0))})
    with pytest.raises(WorkbenchError, match="belongs to another base") as refusal:
        AdapterLibrary(home, lambda _: shallow).add_folder(str(tmp_path / "loha"), "folder:tiny", "loha")
    assert "no module “model.layers.1”" in str(refusal.value)


def test_a_zip_is_looked_through_for_its_adapter(
    library: AdapterLibrary, home: Home, saved: Path, tmp_path: Path
) -> None:
    inside = {f"export/faq/{path.name}": path for path in saved.iterdir()} | {"export/run.py": b"print()"}
    added = library.add_zip(zipped(tmp_path / "faq.zip", inside), "folder:tiny", "faq.zip")
    assert (added.name, added.source) == ("faq", "faq.zip")
    assert (adapter_folder(home, added.id) / "chat_template.jinja").read_text() == "{{ messages }}"
    assert list(home.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"../evil.json": b"x"}, "leads outside"),
        ({"/etc/evil.json": b"x"}, "leads outside"),
        ({"a\\..\\evil.json": b"x"}, "leads outside"),
        ({"other/adapter_config.json": b"{}", "faq/adapter_config.json": b"{}"}, "several adapters"),
    ],
)
def test_a_zip_that_leads_outside_or_is_not_clear_is_refused(
    library: AdapterLibrary, home: Home, tmp_path: Path, extra: dict[str, bytes | Path], told: str
) -> None:
    with pytest.raises(WorkbenchError, match=told):
        library.add_zip(zipped(tmp_path / "bad.zip", extra), "folder:tiny", "bad.zip")
    assert not (home.path / "evil.json").exists()
    assert list(home.uploads.iterdir()) == list(home.adapters.iterdir()) == []


def test_a_zip_cannot_be_a_link_a_bomb_or_no_zip(
    library: AdapterLibrary, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as archive:
        entry = zipfile.ZipInfo("adapter_config.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(WorkbenchError, match="leads outside"):
        library.add_zip(link, "folder:tiny", "link.zip")
    monkeypatch.setattr(adapter_zip, "MOST_BYTES", 1000)
    whole = zipped(tmp_path / "whole.zip", {path.name: path for path in saved.iterdir()})
    with pytest.raises(WorkbenchError, match="is larger than"):
        library.add_zip(whole, "folder:tiny", "whole.zip")
    whole.write_bytes(b"PK no zip at all")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        library.add_zip(whole, "folder:tiny", "whole.zip")


def test_what_is_no_adapter_or_not_safe_is_refused(
    library: AdapterLibrary, saved: Path, tmp_path: Path, tiny_model_folder: Path
) -> None:
    pickled = shutil.copytree(saved, tmp_path / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    cut = shutil.copytree(saved, tmp_path / "cut")
    (cut / "adapter_model.safetensors").write_bytes((saved / "adapter_model.safetensors").read_bytes()[:2000])
    told = {
        pickled: r"adapter_model\.bin|optimizer\.pt",
        cut: "damaged or cut off",
        tiny_model_folder: "a whole model, not an adapter",
        tmp_path: "no adapter",
        tmp_path / "missing": "no folder",
    }
    for folder, words in told.items():
        with pytest.raises(WorkbenchError, match=words) as refusal:
            library.add_folder(str(folder), "folder:tiny")
        assert refusal.value.remedy
        assert refusal.value.problems[0].field == "adapter"
    zip_of_pickle = zipped(tmp_path / "p.zip", {path.name: path for path in pickled.iterdir()})
    with pytest.raises(WorkbenchError, match="can run code"):
        library.add_zip(zip_of_pickle, "folder:tiny", "p.zip")


def test_an_adapter_of_another_base_is_refused_with_names_and_shapes(home: Home, saved: Path, shape: Blueprint) -> None:
    narrow = [module.model_copy(update={"in_features": module.in_features // 2}) for module in shape.modules[:-1]]
    renamed = [module.model_copy(update={"name": f"text.{module.name}"}) for module in shape.modules]
    for modules, told in ((narrow, " in the adapter."), (renamed, "has no module “model.layers.0.")):
        other = shape.model_copy(update={"modules": tuple(modules)})
        with pytest.raises(WorkbenchError, match="belongs to another base") as refusal:
            AdapterLibrary(home, lambda _, other=other: other).add_folder(str(saved), "folder:other")  # type: ignore[misc]
        assert told in str(refusal.value)
        assert "more modules do not fit" in str(refusal.value)


@pytest.fixture
def hub(saved: Path, tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    import huggingface_hub.constants

    pickled = shutil.copytree(saved, tmp_path / "hub-pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    repositories = {
        "ann/faq": Repository(saved),
        "ann/pickled": Repository(pickled),
        "ann/model": Repository(tiny_model_folder),
        "ann/gated": Repository(saved, gated=True),
    }
    with serve_hub(FakeHub(repositories)) as served:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", served.address)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            served.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield served


def test_an_adapter_of_the_hub_is_fetched(library: AdapterLibrary, hub: FakeHub) -> None:
    added = library.add_hub(" hub:ann/faq", "folder:tiny")
    assert (added.name, added.source, added.rank) == ("ann/faq", "hub:ann/faq", 4)
    assert not {"optimizer.pt", "README.md"} & {name for name, _ in hub.asked}
    for name, told in (("ann/pickled", "can run code"), ("ann/model", "a whole model"), ("ann/none", "no model")):
        with pytest.raises(WorkbenchError, match=told) as refusal:
            library.add_hub(name, "folder:tiny")
        assert refusal.value.problems[0].field == "adapter"


def test_a_merged_model_stays_where_it_is(library: AdapterLibrary, tiny_model_folder: Path, tmp_path: Path) -> None:
    added = library.add_merged(str(tiny_model_folder), "merged")
    pane = choices_of(added)[0]
    assert (pane.id, pane.base_model, pane.kind) == ("base", f"folder:{tiny_model_folder}", "merged")
    library.remove(added.id)
    assert (tiny_model_folder / "config.json").is_file()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(WorkbenchError, match="holds no weights"):
        library.add_merged(str(tmp_path))
