"""What a run trains: put onto the base model, and at the end written so that others can load it.

Knows nothing of training. A run's adapter folder also holds the tokenizer with its chat template, so that whoever
opens it renders prompts the way they were learnt.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import get_peft_model, load_peft_weights, set_peft_model_state_dict
from peft.import_utils import is_bnb_4bit_available, is_bnb_available
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import set_seed

from workbench.adapter_folder import PEFT_WEIGHTS
from workbench.config import RunConfig
from workbench.imports import without
from workbench.methods.in_place import InPlace
from workbench.methods.lora_prefix import LoraWithPrefix
from workbench.training.learnt import Learnt, misfit
from workbench.training.quantization import weights_in
from workbench.training.starting_point import StartingPoint, learnt_half
from workbench.training.studies import Findings, begin_with, fitted


@dataclass(frozen=True)
class Attached:
    """A model that can be trained, and what of it is learnt."""

    model: Any
    learnt: Learnt


class AdapterWeights:
    """The adapter on a peft model."""

    def __init__(self, model: Any, start: StartingPoint | None = None) -> None:
        self._model = model
        self._start = start
        """What a method that begins inside the weights took out of them."""

    def save(self, folder: Path) -> None:
        self._model.save_pretrained(folder, safe_serialization=True)
        if self._start is not None:
            self._start.make_plain(folder)

    def restore(self, folder: Path) -> None:
        state = load_file(folder / PEFT_WEIGHTS)
        set_peft_model_state_dict(self._model, learnt_half(state) if self._start else state)

    def take_over(self, folder: Path) -> None:
        try:
            outcome: Any = set_peft_model_state_dict(self._model, load_peft_weights(str(folder), device="cpu"))
        except (RuntimeError, FileNotFoundError, SafetensorError) as error:
            raise misfit() from error
        if outcome.unexpected_keys:
            raise misfit()


def attach(
    model: Any,
    config: RunConfig,
    folder: Path,
    start: StartingPoint | None = None,
    findings: Findings | None = None,
) -> Attached:
    """`model` with what the method trains, initialised by the run's seed; the rest is frozen, the trained in fp32.

    `start` is where a method that begins inside the weights keeps, or finds again, what it took out of them;
    `findings` are what it has learnt from the rows before.
    """
    set_seed(config.training.seed)
    model.name_or_path = base_model_name(config.base_model, folder)
    with ExitStack() as stack:
        if config.training.quantization == "none":
            stack.enter_context(_plain_layers())
        return _attached(model, config, folder, start, findings)


@contextmanager
def _plain_layers() -> Iterator[None]:
    """At the first layer peft looks for bitsandbytes, loads it, and torch's compiler with it, and remembers that."""
    seen = (is_bnb_available, is_bnb_4bit_available)
    for look in seen:
        look.cache_clear()
    try:
        with without("bitsandbytes"):
            yield
    finally:
        for look in seen:
            look.cache_clear()


def _attached(
    model: Any, config: RunConfig, folder: Path, start: StartingPoint | None, findings: Findings | None
) -> Attached:
    method = config.method
    if isinstance(method, InPlace):
        from workbench.training.changed_weights import ChangedWeights

        return Attached(model, ChangedWeights(model, method))
    if isinstance(method, LoraWithPrefix):
        from workbench.training.adapter_pair import AdapterPair

        pair = AdapterPair(model, method, config.task)
        return Attached(pair.model, pair)
    peft_config = method.peft_config(config.task)
    if findings is not None:
        peft_config = fitted(method, peft_config, findings)
    elif start is not None and start.taken:
        peft_config.init_lora_weights = True
    adapted = get_peft_model(model, peft_config, autocast_adapter_dtype=True)
    _begin(adapted, start, findings)
    method.prepare(adapted, folder)
    return Attached(adapted, AdapterWeights(adapted, start))


def _begin(adapted: Any, start: StartingPoint | None, findings: Findings | None) -> None:
    """Give the adapter the start that its method wants, the same one in every attempt."""
    if findings is not None:
        begin_with(adapted, findings, take=start is not None)
    if start is None:
        return
    if not start.taken:
        start.keep(adapted)
    elif findings is None:
        start.go_back_to(adapted)


def base_model_name(reference: str, folder: Path) -> str:
    """What ``adapter_config.json`` names as the base: the hub's id, or the folder where the base lies."""
    kind, _, name = reference.partition(":")
    return name if kind == "hub" else str(folder)


def count_parameters(model: Any, *, trained: bool = False) -> int:
    """All parameters of `model`, tied ones once, or only those that are trained."""
    return sum(weights_in(each) for each in model.parameters() if each.requires_grad or not trained)


def write_adapter(learnt: Learnt, tokenizer: Any, path: Path) -> None:
    """Replace the adapter folder at `path` in one step; what was there stays if writing fails."""
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        learnt.save(part)
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
