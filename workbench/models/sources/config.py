"""A base model that is only a config: nothing can be trained on it, and everything can be counted and estimated.

For models that exist nowhere yet, and for those whose ``config.json`` is all that somebody has.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import ClassVar, NoReturn

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.blueprint_file import slug
from workbench.models.safetensors_folder import read_config
from workbench.models.source import SOURCES, Progress, Source

FIELD = "config"
EXAMPLE = """{
  "model_type": "llama",
  "hidden_size": 2048,
  "intermediate_size": 8192,
  "num_hidden_layers": 24,
  "num_attention_heads": 32,
  "num_key_value_heads": 8,
  "vocab_size": 32000,
  "max_position_embeddings": 8192,
  "tie_word_embeddings": false
}"""
"""A whole config to begin with."""


@SOURCES.add("config")
class ConfigSource(Source):
    """``config:NAME``, as it was called when its config was written down"""

    kind: ClassVar[str] = "config"
    title: ClassVar[str] = "Config alone"
    example: ClassVar[str] = "config:NAME"
    order: ClassVar[int] = 4

    def require_usable(self) -> NoReturn:
        raise WorkbenchError(
            f"{self.name} is a config without weights: it can be counted, not trained.",
            remedy="Choose a model with weights to start a run.",
            field="base_model",
        )

    def config_path(self) -> Path:
        folder = folder_of(self.name, self.home)
        if not folder.is_dir():
            raise WorkbenchError(
                f"There is no config {self.name}.", remedy="Write it down first, or check its name.", field="base_model"
            )
        read_config(folder)
        return folder

    def local_folder(self, progress: Progress) -> Path:
        self.require_usable()

    def revision(self) -> str:
        return self.config_state()


def folder_of(name: str, home: Home) -> Path:
    """Where the config of that name lies, written or not."""
    return home.configs / slug(name)


def write_down(text: str, name: str, home: Home) -> str:
    """Keep a config under a name, and return the reference of the model it describes.

    Raises `WorkbenchError` beside ``config`` when `text` is no transformers config.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise WorkbenchError(
            f"The config is not JSON: {error}.", remedy="Paste the whole of a config.json.", field=FIELD
        ) from error
    if not isinstance(values, dict) or not values.get("model_type"):
        raise WorkbenchError(
            "The config names no model_type.",
            remedy='Add one that transformers knows, such as "model_type": "llama".',
            field=FIELD,
        )
    name = name.strip() or f"{values['model_type']}, {values.get('num_hidden_layers', '?')} layers"
    folder = folder_of(name, home)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "config.json.part"
    whole.write_text(json.dumps(values, indent=1), encoding="utf-8")
    whole.replace(folder / "config.json")
    (folder / "name.txt").write_text(name, encoding="utf-8")
    return f"{ConfigSource.kind}:{name}"


def forget(reference: str, home: Home) -> None:
    """Remove a config that was kept."""
    shutil.rmtree(folder_of(reference.partition(":")[2], home), ignore_errors=True)


def names_written_down(home: Home) -> list[str]:
    """The names of all configs that were kept, sorted."""
    return sorted(file.read_text(encoding="utf-8") for file in home.configs.glob("*/name.txt"))
