"""The adapter of a run: put onto the base model, and at the end written so that plain peft loads it.

Knows nothing of training. A run's adapter folder also holds the tokenizer with its chat template, so that whoever
opens it renders prompts the way they were learnt.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from peft import get_peft_model
from transformers import set_seed

from workbench.config import RunConfig
from workbench.training.quantization import weights_in
from workbench.training.starting_point import StartingPoint


def attach(model: Any, config: RunConfig, folder: Path, start: StartingPoint | None = None) -> Any:
    """`model` with the method's adapter, initialised by the run's seed; the base is frozen, the adapter in fp32.

    `start` is where a method that begins inside the weights keeps, or finds again, what it took out of them.
    """
    set_seed(config.training.seed)
    model.name_or_path = base_model_name(config.base_model, folder)
    peft_config = config.method.peft_config(config.task)
    if start is not None and start.taken:
        peft_config.init_lora_weights = True
    adapted = get_peft_model(model, peft_config, autocast_adapter_dtype=True)
    if start is not None:
        (start.go_back_to if start.taken else start.keep)(adapted)
    config.method.prepare(adapted)
    return adapted


def base_model_name(reference: str, folder: Path) -> str:
    """What ``adapter_config.json`` names as the base: the hub's id, or the folder where the base lies."""
    kind, _, name = reference.partition(":")
    return name if kind == "hub" else str(folder)


def count_parameters(model: Any, *, trained: bool = False) -> int:
    """All parameters of `model`, tied ones once, or only those that are trained."""
    return sum(weights_in(each) for each in model.parameters() if each.requires_grad or not trained)


def save_learnt(model: Any, folder: Path, start: StartingPoint | None) -> None:
    """Save the adapter into `folder` as one for the untouched base."""
    model.save_pretrained(folder, safe_serialization=True)
    if start is not None:
        start.make_plain(folder)


def write_adapter(model: Any, tokenizer: Any, path: Path, start: StartingPoint | None = None) -> None:
    """Replace the adapter folder at `path` in one step; what was there stays if writing fails."""
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        save_learnt(model, part, start)
        tokenizer.save_pretrained(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)
