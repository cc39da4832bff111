"""The base models that are offered first: what ``presets/models.yaml`` says of each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from workbench.presets import PRESETS
from workbench.records import Record


class PresetModel(Record):
    """One entry of ``presets/models.yaml``."""

    reference: str
    name: str
    licence: str
    parameters: int
    """As published, tied weights once."""
    published: str
    """Where that number was published."""
    download_bytes: int
    gated: bool = False
    note: str = ""
    chat_template: bool = True
    """Whether its tokenizer brings one."""
    config: dict[str, Any]
    """The fields of its transformers config that decide its shape."""


@lru_cache(maxsize=1)
def preset_models() -> tuple[PresetModel, ...]:
    """All of them, in the order of the file."""
    text = (PRESETS / "models.yaml").read_text(encoding="utf-8")
    return tuple(PresetModel.model_validate(entry) for entry in yaml.safe_load(text)["models"])


def preset_model(reference: str) -> PresetModel | None:
    """The preset of that reference, if it is one."""
    return next((model for model in preset_models() if model.reference == reference), None)
