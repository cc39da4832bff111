"""What a run's adapter folder may hold, told from the files in it: the three layouts that worker and engine share.

* one adapter of peft's: ``adapter_config.json`` beside ``adapter_model.safetensors``;
* changed weights, for methods that train the base model itself: every changed tensor once in
  ``changed_weights.safetensors``, under its name in the model, and ``changed_weights.json`` that says what they are;
* two adapters of peft's in folders of their own, ``lora`` and ``prefix``, which only together are what was learnt.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from workbench.records import Record

PEFT_CONFIG, PEFT_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CHANGED_CONFIG, CHANGED_WEIGHTS = "changed_weights.json", "changed_weights.safetensors"
LORA_PART, PREFIX_PART = "lora", "prefix"
_IN_MODEL = "base_model.model."
"""Before the name of every tensor that peft keeps for a module."""


class ChangedFacts(Record):
    """What ``changed_weights.json`` says: enough to know, without the workbench, what the tensors beside it are."""

    what: str = (
        "Tensors of the base model that fine-tuning changed, each under its name in the model; tied ones once. "
        "Load the base model with transformers, then model.load_state_dict(tensors, strict=False)."
    )
    version: int = 1
    base_model: str
    """As ``base_model_name_or_path`` of peft's configs: a hub id, or the folder where the base lay."""
    method: str
    """The method's kind."""
    tensors: int
    parameters: int


def is_pair(folder: Path) -> bool:
    """Whether it holds LoRA and a prefix that were trained together."""
    return (folder / LORA_PART / PEFT_CONFIG).is_file() and (folder / PREFIX_PART / PEFT_CONFIG).is_file()


def is_changed(folder: Path) -> bool:
    """Whether it holds changed weights of the base model."""
    return (folder / CHANGED_CONFIG).is_file()


def holds_adapter(folder: Path) -> bool:
    """Whether it holds what a run has learnt, in any of the layouts."""
    return (folder / PEFT_CONFIG).is_file() or is_changed(folder) or is_pair(folder)


def weights_of(folder: Path) -> tuple[Path, ...]:
    """The files with the weights, whether they are there or not."""
    if is_changed(folder):
        return (folder / CHANGED_WEIGHTS,)
    if is_pair(folder):
        return (folder / LORA_PART / PEFT_WEIGHTS, folder / PREFIX_PART / PEFT_WEIGHTS)
    return (folder / PEFT_WEIGHTS,)


def base_named_by(folder: Path) -> str | None:
    """The base model that the adapter in `folder` names; None when it names none, or there is no adapter."""

    places = ((folder / PEFT_CONFIG, "base_model_name_or_path"), (folder / CHANGED_CONFIG, "base_model"))
    for path, field in (*places, (folder / LORA_PART / PEFT_CONFIG, "base_model_name_or_path")):
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8")).get(field)
            except (OSError, ValueError, AttributeError):
                return None
            return found if isinstance(found, str) and found else None
    return None


def missing_modules(keys: Iterable[str], modules: Collection[str]) -> tuple[str, ...]:
    """What peft's tensors called `keys` belong to and is none of `modules`: of each name the part that is not there."""
    known = set(modules)
    holders = {name.rsplit(".", parts)[0] for name in known for parts in range(1, name.count(".") + 1)}
    missing = {}
    for key in keys:
        parts = key.removeprefix(_IN_MODEL).split(".")
        begun = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if key.startswith(_IN_MODEL) and known.isdisjoint(begun):
            missing[next((name for name in begun if name not in holders), begun[-1])] = True
    return tuple(missing)
