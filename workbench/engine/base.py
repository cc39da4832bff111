"""One base model in memory: weights, tokenizer, its owner thread and the adapters read so far."""

from __future__ import annotations

import gc
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedModel

from workbench.adapter_folder import weights_of
from workbench.engine.adapters import Adapter
from workbench.engine.apart import apart
from workbench.engine.forward import forward_for
from workbench.engine.layouts import read_learnt
from workbench.engine.mixing import BASE_DOSE, Dose
from workbench.engine.own import Own
from workbench.engine.owner import Owner
from workbench.engine.packing import pack_linears
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.model_ids import ModelId
from workbench.tasks.causal_lm import CausalLM
from workbench.training.allocations import give_back
from workbench.training.machine import find_machine
from workbench.training_config import TrainingConfig

MAX_ADAPTERS = 16
"""Adapters kept in memory; the least recently used one is dropped first."""
FALLBACK_CONTEXT = 2048


class Base:
    """A loaded base model. Rows go to its `owner`; nothing else may run the model."""

    def __init__(self, reference: str, folder: Path, crowded: Callable[[], bool] = lambda: False) -> None:
        """`crowded` says whether a run computes on the same cores."""
        self.reference = reference
        self.model = load_model(folder)
        self.own = Own.of(self.model)
        pack_linears(self.model)
        self.tokenizer = load_tokenizer(folder)
        self.end_tokens = end_tokens(self.model, self.tokenizer)
        self.context_length = context_length(self.model)
        self.owner = Owner(reference, forward_for(self.model), crowded)
        self._adapters: OrderedDict[tuple[str, int], Adapter] = OrderedDict()
        self._reading = threading.Lock()
        self.owner.start()

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters in memory."""
        return tuple(adapter.name for adapter in list(self._adapters.values()))

    def dose(self, model_id: ModelId | None, home: Home) -> Dose:
        """What a row of this model id takes; reads the adapter when it is first asked for."""
        if model_id is None:
            return BASE_DOSE
        dose = Dose(self._adapter(model_id.name, model_id.folder(home)), model_id.strength)
        if not dose.divisible and dose.strength != 1.0:
            raise WorkbenchError(
                "Virtual tokens are there or not: they have no strength but the full one.",
                remedy=f"Use {model_id.name}.",
                field="model",
            )
        return dose

    def forget(self) -> None:
        """Drop the weights, so that whoever still holds the object holds nothing large."""
        self._adapters.clear()
        del self.model, self.own

    def _adapter(self, name: str, folder: Path) -> Adapter:
        written = max((file.stat().st_mtime_ns for file in weights_of(folder) if file.is_file()), default=0)
        with self._reading:
            key = (name, written)
            if key not in self._adapters:
                self._adapters[key] = apart(lambda: read_learnt(name, folder, self.own))
            self._adapters.move_to_end(key)
            while len(self._adapters) > MAX_ADAPTERS:
                self._adapters.popitem(last=False)
            return self._adapters[key]


def load_model(folder: Path) -> PreTrainedModel:
    """The model in `folder` on this machine's device; raises `WorkbenchError` when it does not load or fit."""
    machine = find_machine(TrainingConfig())
    try:
        model = CausalLM().load_model(folder, dtype=machine.dtype, attn_implementation="sdpa")
        model.to(machine.device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise WorkbenchError(
            f"The base model cannot be loaded: {error}", remedy="Fetch it again.", field="base_model"
        ) from error
    except (RuntimeError, MemoryError) as error:
        raise WorkbenchError(
            f"The base model does not fit: {error}",
            remedy="Pick a smaller base model, or wait until the running training ends.",
            field="base_model",
        ) from error
    model.eval().requires_grad_(False)
    assert isinstance(model, PreTrainedModel)
    return model


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`; raises `WorkbenchError` when there is none."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise WorkbenchError(
            f"The base model's tokenizer cannot be read: {error}", remedy="Fetch the model again.", field="base_model"
        ) from error


def end_tokens(model: PreTrainedModel, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer, by the model's generation config and its tokenizer."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends = [named] if isinstance(named, int) else list(named or ())
    if tokenizer.eos_token_id is not None:
        ends.append(tokenizer.eos_token_id)
    return frozenset(ends)


def context_length(model: PreTrainedModel) -> int:
    """Most tokens of prompt and answer together."""
    config = model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or FALLBACK_CONTEXT)


def release(base: Base) -> None:
    """Let its owner thread end; the weights go with the last reference."""
    base.owner.close()
    base.owner.join(timeout=10)
    base.forget()
    gc.collect()  # modules and hooks hold each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    give_back()
