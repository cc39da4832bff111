"""What a training step, or an answer, needs in memory: weights, adapter, activations, logits, overhead. Arithmetic.

The activations' formula was found by counting what autograd keeps in Llama models with scaled-dot-product attention,
per token and layer, with H the hidden width, Hkv the keys' and I the intermediate one:

* half-precision base: 12H + 4Hkv + 6I bytes, and for each target module a copy of its input in the adapter's own
  format, 4 bytes a number, or 2 under autocast; dropout keeps that copy twice;
* single-precision base: 16H + 8Hkv + 12I bytes, and 4 bytes a number for each input that targets share;
* single precision on a CPU, where the worker computes whole layers with a backward of its own: 16H + 8Hkv + 8I bytes,
  whatever the targets, and what one layer's backward holds besides.

Everything else is counted, not fitted: bytes a weight by format, 16 bytes a trained parameter for its value, gradient
and both of Adam's moments, logits of those positions that are projected at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from workbench.method import Method
from workbench.methods.identity import Same
from workbench.methods.matching import linear_modules
from workbench.methods.whole import Whole
from workbench.records import Record
from workbench.records.base_models import Blueprint, Module, ParameterCount

WeightFormat = Literal["fp32", "bf16", "int8", "nf4", "nf4-double"]
Optimizer = Literal["adamw", "adamw-8bit"]

_BYTES_A_WEIGHT: dict[WeightFormat, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "int8": 1.0,
    "nf4": 0.5 + 4 / 64,
    "nf4-double": 0.5 + (1 + 4 / 256) / 64,
}
"""bitsandbytes: 64 weights of 4 bits share a 4-byte scale; double quantisation makes it one byte, and 4 for 256."""
_STATE_BYTES: dict[Optimizer, int] = {"adamw": 16, "adamw-8bit": 10}
_LOGIT_COPIES = 3
"""Logits, their single-precision copy or gradient, and the softmax."""
_CHUNK = 144
"""Labelled positions that are projected at a time, in each strand."""
_STRAND = 128
"""Tokens that a strand has at least."""
_GIB = 1024**3
_CPU_PROCESS, _CPU_PACKING = 0.5e9, 0.12e9
"""A worker with torch, transformers and peft loaded and a model of no size, and bitsandbytes besides; measured."""
_CPU_ALLOCATOR, _CPU_ALLOCATOR_FUSED = 0.8, 0.15
"""Shares of the activations that the C library's allocator holds besides, measured with plain and fused layers."""


@dataclass(frozen=True)
class Setting:
    """What decides the memory of a training step besides model and method."""

    batch_size: int = 8
    length: int = 512
    """Tokens a row, the longest there is."""
    weights: WeightFormat = "bf16"
    computed: Literal["fp32", "bf16"] | None = None
    """What layers compute in over packed weights; None for the weights' own format, or bf16."""
    optimizer: Optimizer = "adamw"
    checkpointing: bool = False
    """Whether each layer's activations are recomputed instead of kept."""
    dropout: bool = False
    autocast: bool = False
    fused: bool = False
    """Whether the worker computes whole layers itself (`workbench.training.fused`), which keeps less."""
    projected: Literal["chunk", "all"] = "chunk"
    """Whether logits are made for chunks of the labelled positions, or for all positions at once."""
    strands: int = 1
    """How many such chunks there are at a time."""
    device: Literal["cuda", "cpu"] = "cuda"

    @property
    def tokens(self) -> int:
        """Tokens in a batch of rows that are all as long as can be."""
        return self.batch_size * self.length

    @property
    def single(self) -> bool:
        """Whether activations are kept in single precision."""
        return (self.computed or self.weights) == "fp32"


class Memory(Record):
    """Bytes by what holds them."""

    weights: int
    adapter: int
    """Trained parameters with gradients and optimizer state."""
    activations: int
    logits: int
    overhead: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.adapter + self.activations + self.logits + self.overhead


@dataclass(frozen=True)
class Footprint:
    """All that memory depends on in a model and a method; settings are tried on it without counting anew."""

    trained: int
    """Parameters with gradient and optimizer state."""
    blueprint: Blueprint
    separate_inputs: int
    """Widths of the target modules' inputs, all layers together, each module by itself."""
    shared_inputs: int
    """The same, where modules that read one input count it once."""
    in_place: bool
    """Whether weights of the base model are trained themselves, which keeps their inputs as they are."""
    replaced: int = 0
    """Trained parameters that stand in the place of base weights, not beside them."""

    @classmethod
    def of(cls, blueprint: Blueprint, method: Method, counted: ParameterCount | None = None) -> Footprint:
        """Of that method on that model, counted before or now; raises `WorkbenchError` when a target names nothing."""
        counted = counted or method.count(blueprint)
        separate, shared = _input_widths(Same(method.targets(blueprint)))
        return cls(
            trained=counted.trainable + counted.head,
            blueprint=blueprint,
            separate_inputs=separate,
            shared_inputs=shared,
            in_place=isinstance(method, Whole),
            replaced=counted.trainable if method.in_place else 0,
        )


@lru_cache(maxsize=64)
def _input_widths(targets: Same[tuple[Module, ...]]) -> tuple[int, int]:
    """Of the modules in layers: all their inputs, and those inputs once that several of them read."""
    layered = [module for module in targets.value if module.layer is not None and module.in_features]
    shared = {(module.name.rpartition(".")[0], module.in_features) for module in layered}
    return sum(module.in_features for module in layered), sum(width for _, width in shared)


def training_memory(footprint: Footprint, setting: Setting) -> Memory:
    """The peak of a training step."""
    weights = weight_bytes(footprint.blueprint, setting.weights, 4 if setting.single else 2)
    if setting.single:  # else autocast keeps a half-precision copy of each beside it
        weights -= 4 * footprint.replaced
    adapter = footprint.trained * _STATE_BYTES[setting.optimizer]
    activations = setting.tokens * _activation_bytes(footprint, setting)
    logits = _logit_bytes(footprint.blueprint, setting)
    parts = weights + adapter + activations + logits
    return Memory(
        weights=round(weights),
        adapter=adapter,
        activations=round(activations),
        logits=logits,
        overhead=round(_overhead(parts, activations, setting) + _twice(footprint.blueprint, setting)),
    )


def study_memory(method: Method, footprint: Footprint, setting: Setting) -> int:
    """The peak while a method reads rows before it begins, one by one and with the plain modules; 0 if it does not."""
    blueprint = footprint.blueprint
    held = 4 * method.study_numbers(blueprint, setting.length)
    if not held:
        return 0
    one = replace(setting, batch_size=1, fused=False, checkpointing=not method.study_backward, projected="all")
    weights = weight_bytes(blueprint, setting.weights, 4 if setting.single else 2)
    row = one.tokens * _activation_bytes(footprint, one) + _logit_bytes(blueprint, one) * method.study_backward
    parts = weights + held + row
    return round(parts + _overhead(parts, row, one))


def inference_memory(blueprint: Blueprint, setting: Setting, adapters: Iterable[int] = ()) -> Memory:
    """Answering `batch_size` conversations of `length` tokens, with adapters of so many parameters loaded."""
    number = 4 if setting.single else 2
    weights = weight_bytes(blueprint, setting.weights, number)
    cache = 2 * blueprint.num_layers * blueprint.kv_width * number * setting.tokens
    logits = setting.batch_size * blueprint.vocab_size * 4
    adapter = sum(adapters) * 4
    parts = weights + adapter + cache + logits
    return Memory(
        weights=round(weights),
        adapter=adapter,
        activations=cache,
        logits=logits,
        overhead=round(_overhead(parts, 0, setting)),
    )


def weight_bytes(blueprint: Blueprint, weights: WeightFormat, number: int = 2) -> float:
    """The base model's weights in memory; packing leaves embeddings, the head and norms at `number` bytes each."""
    if weights in ("fp32", "bf16"):
        return blueprint.parameters * _BYTES_A_WEIGHT[weights]
    quantised = _inner_linear(Same(blueprint))
    return quantised * _BYTES_A_WEIGHT[weights] + (blueprint.parameters - quantised) * number


@lru_cache(maxsize=64)
def _inner_linear(blueprint: Same[Blueprint]) -> int:
    """Weights of all linear modules but the head: those that quantisation shrinks."""
    inner = (module for module in linear_modules(blueprint.value) if module.tied_to is None)
    return sum(module.in_features * module.out_features for module in inner)


def _activation_bytes(footprint: Footprint, setting: Setting) -> float:
    """What autograd keeps for one token, through all layers."""
    blueprint = footprint.blueprint
    hidden, keys, inner = blueprint.hidden_size, blueprint.kv_width, blueprint.intermediate_size
    if setting.fused:
        kept, working = 16 * hidden + 8 * keys + 8 * inner, 16 * hidden + 16 * inner
        if setting.checkpointing:  # a layer stands there as computed anew and as its gradients, with room between
            return 2.5 * (kept + working) + 4 * hidden * blueprint.num_layers
        return kept * blueprint.num_layers + working
    layer = 16 * hidden + 8 * keys + 12 * inner if setting.single else 12 * hidden + 4 * keys + 6 * inner
    kept = layer * blueprint.num_layers + _target_input_bytes(footprint, setting)
    if not setting.checkpointing:
        return kept
    border = (4 if setting.single else 2) * hidden * blueprint.num_layers
    return border + kept / max(1, blueprint.num_layers)


def _target_input_bytes(footprint: Footprint, setting: Setting) -> int:
    if footprint.in_place:
        return (4 if setting.single else 2) * footprint.shared_inputs
    if setting.single:
        return 4 * footprint.shared_inputs + (5 * footprint.separate_inputs if setting.dropout else 0)
    number = 2 if setting.autocast else 4
    return number * (2 if setting.dropout else 1) * footprint.separate_inputs


def strands(tokens: int, threads: int) -> int:
    """In how many parts a CPU with so many threads computes a batch at the same time (`workbench.training.strands`)."""
    return next((count for count in range(min(threads, tokens // _STRAND), 1, -1) if threads % count == 0), 1)


def _logit_bytes(blueprint: Blueprint, setting: Setting) -> int:
    positions = setting.tokens if setting.projected == "all" else min(setting.strands * _CHUNK, setting.tokens)
    return positions * blueprint.vocab_size * 4 * _LOGIT_COPIES


def _overhead(parts: float, activations: float, setting: Setting) -> float:
    """What allocator and process take on top: on a GPU at least half a GiB, or 4 % of the rest."""
    if setting.device == "cuda":
        return max(0.5 * _GIB, 0.04 * parts)
    packing = 0.0 if setting.weights in ("fp32", "bf16") else _CPU_PACKING
    return _CPU_PROCESS + packing + (_CPU_ALLOCATOR_FUSED if setting.fused else _CPU_ALLOCATOR) * activations


def _twice(blueprint: Blueprint, setting: Setting) -> float:
    """Weights that a worker on a CPU holds a second time.

    The file of weights that were packed in fewer bits stays mapped beside them; fused layers let go of theirs, but the
    head is laid out anew for the CPU, unless memory is to be saved.
    """
    if setting.device == "cpu" and setting.weights not in ("fp32", "bf16"):
        return blueprint.parameters * (4 if blueprint.dtype == "float32" else 2)
    if setting.fused and not setting.checkpointing and setting.projected == "chunk":
        return 4 * blueprint.vocab_size * blueprint.hidden_size
    return 0
