"""From embedding to final norm with fused layers, for the models whose layers it recognises."""

from __future__ import annotations

from threading import Lock
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaDecoderLayer
from transformers.models.mistral.modeling_mistral import MistralDecoderLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from workbench.training.batches import Batch
from workbench.training.file_pages import FilePages
from workbench.training.fused.attention import rows_of
from workbench.training.fused.layer import Layer, LayerFunction, Positions
from workbench.training.fused.products import Adapter, Linear, Product
from workbench.training.packs import PackChoices

_LAYERS = (LlamaDecoderLayer, MistralDecoderLayer, Qwen2DecoderLayer)
"""Alike in what they compute: pre-norm, rotary positions, grouped queries, SwiGLU."""


class FusedBackbone:
    """Computes the hidden states of a transformers model's flattened batches; shares all its weights."""

    def __init__(self, model: Any, layers: list[Layer]) -> None:
        self._model = model
        self._layers = layers
        self._copies = [pair for layer in layers for product in layer.products for pair in product.copies()]
        self._one_at_a_time = Lock()
        self.recompute = False
        """Keep only each layer's input: less memory, a third more time."""

    def pack(self, choices: PackChoices) -> None:
        """Lay out the matrices beside which nothing is learnt, where that is faster on this CPU."""
        for layer in self._layers:
            for product in layer.products:
                product.pack(choices)

    def take_adapters(self) -> None:
        """Compute with the adapters as they are now, until the next time: the optimizer changes them."""
        if self._copies:
            places, matrices = zip(*self._copies, strict=True)
            with torch.no_grad():
                torch._foreach_copy_(list(places), list(matrices))

    def __call__(self, batch: Batch) -> Tensor:
        """Hidden states (T, H) after the final norm. Several threads may ask at the same time."""
        states = self._model.embed_tokens(batch["input_ids"])
        with self._one_at_a_time:  # some kinds of positions keep what they computed last
            cosine, sine = self._model.rotary_emb(states, position_ids=batch["position_ids"])
        half = cosine.shape[-1] // 2
        rows = rows_of(batch, self._layers[0].heads // self._layers[0].key_heads)
        positions = Positions(cosine[0, :, None, :half].contiguous(), sine[0, :, None, :half].contiguous(), rows)
        states = states[0]
        for layer in self._layers:
            states = LayerFunction.apply(  # type: ignore[no-untyped-call]
                states, layer, positions, self.recompute, *layer.trained
            )
        final: Tensor = self._model.norm(states)
        return final


def fuse(model: Any) -> FusedBackbone | None:
    """The fused form of a causal language model, adapters injected; None when a part of it is not known here.

    It takes the layers' weights over without a second copy: the modules go on to work and share them.
    """
    backbone = model.base_model
    layers = getattr(backbone, "layers", None)
    if model.device.type != "cpu" or model.dtype != torch.float32 or layers is None:
        return None
    parts = [_parts(layer) for layer in layers]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    pages = FilePages()
    return FusedBackbone(backbone, [_layer(module, part, pages) for module, part in zip(layers, known, strict=True)])


_NAMES = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


def _parts(layer: Any) -> list[Linear] | None:
    """The seven linears of a layer, or None when it is not as we know it."""
    if type(layer) not in _LAYERS or layer.self_attn.attention_dropout:
        return None
    if getattr(layer.self_attn.config, "hidden_act", None) != "silu":
        return None
    norms = (layer.input_layernorm, layer.post_attention_layernorm)
    if any(norm.weight.requires_grad or not hasattr(norm, "variance_epsilon") for norm in norms):
        return None  # a norm that is trained, or wrapped so that a copy of it is
    found = [_linear(layer.get_submodule(name)) for name in _NAMES]
    known = [linear for linear in found if linear is not None]
    return known if len(known) == len(found) else None


def _linear(module: Any) -> Linear | None:
    """A frozen linear, plain or with one plain LoRA adapter without dropout."""
    base = module.base_layer if type(module) is LoraLinear else module
    if type(base) is not torch.nn.Linear or any(each.requires_grad for each in base.parameters()):
        return None
    if type(module) is not LoraLinear:
        return Linear(base, None)
    names = module.active_adapters
    if len(names) != 1 or module.merged or module.disable_adapters or module.lora_variant:
        return None
    name = names[0]
    down, up = module.lora_A[name], module.lora_B[name]
    if type(module.lora_dropout[name]) is not torch.nn.Identity or up.bias is not None:
        return None
    return Linear(base, Adapter(down.weight, up.weight, float(module.scaling[name])))


def _layer(module: Any, linears: list[Linear], pages: FilePages) -> Layer:
    query, key, value, out, gate, up, down = linears
    attention = module.self_attn
    width = attention.head_dim
    return Layer(
        attention_norm=module.input_layernorm.weight,
        mlp_norm=module.post_attention_layernorm.weight,
        epsilon=module.input_layernorm.variance_epsilon,
        attention_in=Product([query, key, value], pages),
        attention_out=Product([out], pages),
        mlp_in=Product([gate, up], pages),
        mlp_out=Product([down], pages),
        heads=query.module.weight.shape[0] // width,
        key_heads=key.module.weight.shape[0] // width,
        head_width=width,
        scale=attention.scaling,
    )
