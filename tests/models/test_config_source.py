"""A config without weights is a base model to count with, and to nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.engine.blueprint import blueprint_of
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models
from workbench.models.fetch import local_folder
from workbench.models.sources.config import EXAMPLE


@pytest.fixture
def models(home: Home) -> Models:
    return Models(home, lambda reference: blueprint_of(reference, home))


def test_a_config_is_counted_and_listed_under_its_name(models: Models) -> None:
    reference = models.write_down(EXAMPLE, "my own")
    assert reference == "config:my own"
    blueprint = models.blueprint(reference)
    assert (blueprint.hidden_size, blueprint.num_layers, blueprint.kv_width) == (2048, 24, 512)
    card = next(card for card in models.cards() if card.reference == reference)
    assert not card.ready
    assert "counted, not trained" in card.obstacle


def test_a_config_of_the_same_name_replaces_the_one_before(models: Models) -> None:
    models.write_down(EXAMPLE, "mine")
    models.write_down(json.dumps({**json.loads(EXAMPLE), "num_hidden_layers": 2}), "mine")
    assert models.blueprint("config:mine").num_layers == 2


def test_a_name_is_data_and_no_path(models: Models, home: Home) -> None:
    reference = models.write_down(EXAMPLE, "../../up")
    assert models.blueprint(reference).num_layers == 24
    assert all(home.configs in file.parents for file in home.path.rglob("name.txt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ('{"model_type": "llama",}', "not JSON"),
        ("[1]", "names no model_type"),
        ('{"hidden_size": 8}', "names no model_type"),
        ('{"model_type": "no-such-type"}', "cannot be read"),
        ('{"model_type": "secret", "auto_map": {"AutoModelForCausalLM": "code.Model"}}', "cannot be read"),
        ('{"model_type": "llama", "hidden_size": "wide"}', "cannot be read"),
    ],
)
def test_what_is_no_config_is_refused_and_not_kept(models: Models, text: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message) as caught:
        models.write_down(text, "broken")
    assert caught.value.problems[0].field == "config"
    assert caught.value.remedy
    assert not [card for card in models.cards() if card.reference == "config:broken"]


def test_no_run_begins_from_a_config(models: Models, home: Home) -> None:
    reference = models.write_down(EXAMPLE, "mine")
    with pytest.raises(WorkbenchError, match="without weights"):
        models.require_usable(reference)
    with pytest.raises(WorkbenchError, match="without weights"):
        local_folder(reference, home)


def test_a_config_that_was_never_written_down_is_named(models: Models) -> None:
    with pytest.raises(WorkbenchError, match="There is no config absent"):
        models.blueprint("config:absent")


def test_a_chat_template_is_seen_in_a_folder(models: Models, tiny_model_folder: Path) -> None:
    assert models.card(f"folder:{tiny_model_folder}").chat_template
