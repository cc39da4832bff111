"""A dataset of the hub is written down once and then read like any file; an unreachable hub says so."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.data import DatasetLibrary
from workbench.data.hub import HubDataset, parse_reference
from workbench.errors import WorkbenchError
from workbench.home import Home

REFERENCES = {
    "hub:org/name": HubDataset("org/name", None, "train"),
    "hub:org/name@de": HubDataset("org/name", "de", "train"),
    "hub:org/name:test": HubDataset("org/name", None, "test"),
    "hub:org/na-me.2@de:test": HubDataset("org/na-me.2", "de", "test"),
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_config_and_split_stand_in_the_reference(reference: str) -> None:
    assert parse_reference(reference) == REFERENCES[reference]


@pytest.mark.parametrize(
    "reference", ["hub:name", "hub:", "hub:../../etc/passwd", "hub:../..", "hub:org/name@", "hub:a/b c"]
)
def test_what_is_no_reference_is_refused(reference: str, home: Home) -> None:
    with pytest.raises(WorkbenchError) as refused:
        DatasetLibrary(home).resolve(reference)
    assert refused.value.problems[0].field == "data.dataset"


def test_rows_of_the_hub_are_ingested(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*arguments: Any, **options: Any) -> list[dict[str, str]]:
        asked.append((arguments, options))
        return [{"question": "why", "answer": "so"}, {"question": "how", "answer": "thus"}]

    monkeypatch.setattr("datasets.load_dataset", load)
    dataset = DatasetLibrary(home).resolve("hub:org/name@de:test")
    assert asked == [(("org/name", "de"), {"split": "test", "streaming": True})]
    assert (dataset.rows, dataset.name) == (2, "org · name (de:test)")
    assert dataset.source == "https://huggingface.co/datasets/org/name"
    assert list(home.uploads.iterdir()) == []


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), FileNotFoundError("nothing there"), ValueError("Unknown split")]
)
def test_a_hub_that_cannot_answer_is_said_so(error: Exception, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("datasets.load_dataset", fail)
    with pytest.raises(WorkbenchError, match="org/name") as refused:
        DatasetLibrary(home).resolve("hub:org/name")
    assert refused.value.remedy
    assert list(home.datasets.iterdir()) == []
