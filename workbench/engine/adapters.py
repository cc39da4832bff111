"""Reading an adapter's folder: safetensors only, checked against the base model by name and shape.

A plain LoRA adapter comes out as small matrices by module name, ready to be mixed into a batch with others. Whatever
else peft can load is marked as not mixable, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.adapter_folder import PEFT_WEIGHTS, missing_modules
from workbench.engine.own import Own
from workbench.errors import Problem, WorkbenchError
from workbench.protocol.chat import AdapterFacts

WEIGHTS = PEFT_WEIGHTS
_LOW_RANK = re.compile(
    r"base_model\.model\.(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<part>A|B|magnitude_vector)(?:\.weight)?"
)
_BASE_BIAS = re.compile(r"base_model\.model\.(?!.*\.lora_).+\.bias")
_REFUSED = {
    "alora_invocation_tokens": "activated LoRA starts in the middle of a text",
    "arrow_config": "Arrow routes between adapters",
    "layer_replication": "it replicates layers of the base model",
    "num_virtual_tokens": "its virtual tokens depend on the task",
    "xlora_depth": "X-LoRA routes between adapters",
    "kasa_config": "KaSA changes the base weights",
    "n_skills": "Polytropon routes between adapters by task",
}
_CHANGED_BASE = ("pissa", "corda", "olora", "loftq", "lora_ga")
"""Initialisations that leave other base weights behind; adapters saved with peft's conversion do not name them."""
_SPECIAL = {
    "use_qalora": "QA-LoRA pools its inputs",
    "use_bdlora": "block-diagonal LoRA has matrices of another shape",
    "target_parameters": "it adapts parameters inside modules",
    "trainable_token_indices": "it trains single tokens",
    "lora_bias": "it trains a bias",
}


@dataclass(frozen=True)
class LowRank:
    """What a LoRA adapter adds to one module: ``x · down · up``, with its scaling already in `up`."""

    down: Tensor
    """(in, rank); for an embedding (rows, rank)."""
    up: Tensor
    """(rank, out)."""
    embedding: bool
    gain: Tensor | None = None
    """(out,): DoRA's rescaling of the module's own output, less 1; `up` is rescaled already."""


@dataclass(frozen=True)
class Adapter:
    """One adapter of one base model, read and checked."""

    name: str
    folder: Path
    hash: str
    method: str
    rank: int | None
    chat_template: str | None
    """The template saved beside it, if one was."""
    unmixable: str = ""
    """Why it cannot share a batch with others; empty when it can."""
    modules: Mapping[str, LowRank] = field(default_factory=dict)
    prefix: tuple[tuple[Tensor, Tensor], ...] = ()
    """Keys and values that stand before a row's own, layer by layer; (1, heads, virtual tokens, width) each."""
    prompt: Tensor | None = None
    """Embeddings that stand before a row's own; (1, virtual tokens, width)."""
    changed: bool = False
    """Whether its folder holds tensors of the base model instead of an adapter of peft's."""

    @property
    def virtual_tokens(self) -> int:
        """How many of the context's places its prefix or prompt takes."""
        if self.prompt is not None:
            return self.prompt.shape[1]
        return self.prefix[0][0].shape[2] if self.prefix else 0

    def facts(self, strength: float) -> AdapterFacts:
        """What an answer tells about it."""
        return AdapterFacts(
            name=self.name,
            hash=self.hash,
            method=self.method,
            rank=self.rank,
            strength=strength,
            mixed=not self.unmixable,
            unmixable=self.unmixable,
        )


def read_adapter(name: str, folder: Path, own: Own) -> Adapter:
    """peft's adapter in `folder`, on the device and in the dtype of the base model.

    Raises `WorkbenchError` when its weights are not safetensors, or were made for another base model.
    """
    config = read_config(folder)
    weights = _without_copies(read_weights(folder), own)
    _refuse_what_cannot_run(config, weights)
    unmixable = _why_unmixable(config, weights)
    if unmixable:
        _refuse_other_modules(weights, own)
    modules = {} if unmixable else _low_rank(config, weights, own)
    return Adapter(
        name=name,
        folder=folder,
        hash=combined_hash([folder]),
        method=_method(config),
        rank=getattr(config, "r", None),
        chat_template=read_chat_template(folder),
        unmixable=unmixable,
        modules=modules,
    )


def read_config(folder: Path) -> PeftConfig:
    """peft's config in `folder`; raises `WorkbenchError` when there is none or its weights are pickled."""
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        raise WorkbenchError(
            "The adapter's weights are in adapter_model.bin, which can run code when it is read."
            if pickled
            else f"The adapter has no {WEIGHTS}.",
            remedy="Convert it to safetensors where it was made." if pickled else "Train it again, or copy the file.",
            field="model",
        )
    try:
        config: PeftConfig = PeftConfig.from_pretrained(str(folder))
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise WorkbenchError(
            f"The adapter's config cannot be read: {error}", remedy="Train or copy the adapter again.", field="model"
        ) from error
    return config


def read_chat_template(folder: Path) -> str | None:
    """The chat template saved beside an adapter, in either of the places transformers writes it to."""
    template = folder / "chat_template.jinja"
    if template.is_file():
        return template.read_text(encoding="utf-8")
    tokenizer = folder / "tokenizer_config.json"
    if not tokenizer.is_file():
        return None
    try:
        found = json.loads(tokenizer.read_text(encoding="utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError) as error:
        raise WorkbenchError(
            f"The adapter's tokenizer_config.json cannot be read: {error}",
            remedy="Copy that file again, or delete it: then the base model's chat template is used.",
            field="model",
        ) from error
    return found if isinstance(found, str) else None


def combined_hash(folders: Sequence[Path]) -> str:
    """Twelve hex digits of the weights in peft's `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        digest.update((folder / WEIGHTS).read_bytes())
    return digest.hexdigest()[:12]


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors in peft's `folder`; raises `WorkbenchError` when they are damaged."""
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(
            f"The adapter's weights cannot be read: {error}",
            remedy="The file is damaged: train the adapter again, or copy it again.",
            field="model",
        ) from error


def _without_copies(weights: Mapping[str, Tensor], own: Own) -> dict[str, Tensor]:
    """`weights` without unchanged copies of the base's own, which peft saves beside adapters of embeddings."""

    def is_copy(key: str, tensor: Tensor) -> bool:
        base = own.parameters.get(key.removeprefix("base_model.model.").replace(".base_layer.", "."))
        return base is not None and base.shape == tensor.shape and torch.equal(base, tensor.to(base))

    return {key: tensor for key, tensor in weights.items() if not is_copy(key, tensor)}


def _method(config: PeftConfig) -> str:
    kind = str(getattr(config.peft_type, "value", config.peft_type)).lower()
    return "dora" if getattr(config, "use_dora", False) else kind


def _why_unmixable(config: PeftConfig, weights: Mapping[str, Tensor]) -> str:
    if _method(config) not in ("lora", "dora"):
        return f"{_method(config)} is no plain low-rank update"
    reasons = [reason for option, reason in _SPECIAL.items() if getattr(config, option, None)]
    matches = [_LOW_RANK.fullmatch(key) for key in weights]
    if not reasons and not all(matches):
        reasons = ["it also holds whole weights of the base model"]
    if _method(config) == "dora" and any(match["embedding"] for match in matches if match):
        reasons.append("DoRA of an embedding rescales it token by token")
    return "; ".join(reasons)


def _low_rank(config: Any, weights: Mapping[str, Tensor], own: Own) -> dict[str, LowRank]:
    pairs: dict[str, dict[str, Tensor]] = {}
    embeddings = set()
    for key, tensor in weights.items():
        match = _LOW_RANK.fullmatch(key)
        assert match is not None  # _why_unmixable looked at every key
        pairs.setdefault(match["module"], {})[match["part"]] = tensor.to(own.example)
        if match["embedding"]:
            embeddings.add(match["module"])
    _refuse_other_base(pairs, own.modules)
    modules = {}
    for name, pair in pairs.items():
        down = pair["A"].T.contiguous()
        up = (pair["B"].T * _scaling(config, name, pair["A"].shape[0])).contiguous()
        magnitude = pair.get("magnitude_vector")
        if magnitude is None:
            modules[name] = LowRank(down, up, name in embeddings)
        else:
            ratio = magnitude / _column_norm(own.modules[name], own.parameters[f"{name}.weight"], down @ up)
            modules[name] = LowRank(down, up * ratio, False, ratio - 1)
    return modules


def _column_norm(module: nn.Module, weight: Tensor, update: Tensor) -> Tensor:
    """Length of each output's weights with `update` (in, out): DoRA's denominator (Liu et al. 2024, equation 5)."""
    by_input = weight.T if isinstance(module, nn.Linear) else weight
    return (by_input + update).square().sum(0).sqrt()


def _refuse_what_cannot_run(config: PeftConfig, weights: Mapping[str, Tensor]) -> None:
    reasons = [reason for option, reason in _REFUSED.items() if getattr(config, option, None)]
    begun = str(getattr(config, "init_lora_weights", "")).lower()
    if begun.startswith(_CHANGED_BASE):
        reasons.append(f"{begun} changed the base weights, and it was saved without conversion")
    if getattr(config, "bias", "none") != "none" and any(_BASE_BIAS.fullmatch(key) for key in weights):
        reasons.append("it changes the base model's biases")
    if reasons:
        raise WorkbenchError(
            f"The engine cannot run this {_method(config)} adapter: {'; '.join(reasons)}.",
            remedy="Load its folder with peft.",
            field="model",
        )


def _scaling(config: Any, module: str, rank: int) -> float:
    """alpha / rank of this module, or alpha / √rank for rsLoRA (Kalajdzievski 2023)."""
    patterns = config.alpha_pattern or {}
    alpha = patterns.get(get_pattern_key(list(patterns), module), config.lora_alpha)
    return float(alpha) / (math.sqrt(rank) if config.use_rslora else rank)


def _refuse_other_base(pairs: Mapping[str, Mapping[str, Tensor]], own: Mapping[str, nn.Module]) -> None:
    wrong = [message for name, pair in pairs.items() if (message := _mismatch(name, pair, own.get(name)))]
    if wrong:
        raise other_base(wrong)


def _refuse_other_modules(weights: Mapping[str, Tensor], own: Own) -> None:
    """Raise unless each tensor of a module stands in one that the base model has: peft would leave it out silently."""
    holding = [name for name, module in own.modules.items() if module._parameters or not [*module.children()]]
    missing = missing_modules(weights, holding)
    if missing:
        raise other_base([f"This base model has no module “{name}”." for name in missing])


def other_base(mismatches: Sequence[str]) -> WorkbenchError:
    """What was learnt does not fit this base model, for these reasons; the first three are told."""
    shown = [Problem(message, "Pick the base model it was trained on.", "model") for message in mismatches[:3]]
    more = len(mismatches) - len(shown)
    rest = [Problem(f"{more} more modules do not fit.", "", "model")] if more > 0 else []
    return WorkbenchError.of([Problem("The adapter belongs to another base model.", "", "model"), *shown, *rest])


def _mismatch(name: str, pair: Mapping[str, Tensor], module: nn.Module | None) -> str:
    if module is None:
        return f"This base model has no module “{name}”."
    if not {"A", "B"} <= set(pair):
        return f"The adapter holds only half of “{name}”."
    wanted = features(module)
    given = (pair["A"].shape[1], pair["B"].shape[0])
    if wanted is None:
        return f"“{name}” is a {type(module).__name__}, which cannot be adapted."
    if given != wanted:
        return f"“{name}” is {wanted[0]} × {wanted[1]} here, but {given[0]} × {given[1]} in the adapter."
    return ""


def features(module: nn.Module) -> tuple[int, int] | None:
    """Width of a module's input and output; None for a module that LoRA does not adapt."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, nn.Embedding):
        return module.num_embeddings, module.embedding_dim
    if type(module).__name__ == "Conv1D" and isinstance(module.weight, torch.Tensor):
        return module.weight.shape[0], module.weight.shape[1]
    return None
