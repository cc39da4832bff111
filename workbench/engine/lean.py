"""The forward pass of Llama-like models without their modules: the same numbers with less between the products.

A step that writes one token a row is so short that what stands between two products counts: calls of modules, hooks,
and many small operations, each waking every thread. Here a layer is four products, and the adapters of the batch are
two small ones beside each. Keys and values are those of `FlatForward`, which takes over for whatever is not known here:
DoRA, adapters of the embedding or the head, and those that are switched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu
from transformers import PreTrainedModel

from workbench.engine.adapters import Adapter
from workbench.engine.attention import Segment, attend
from workbench.engine.mixing import Dose, scale_of
from workbench.engine.packing import Pack, pack_of
from workbench.training.fused.kernels import rms_norm

KNOWN = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
"""Alike in what they compute: pre-norm, rotary positions, grouped queries, SwiGLU, a head without scaling."""
_PARTS = (("self_attn", ("q_proj", "k_proj", "v_proj")), ("self_attn", ("o_proj",)),
          ("mlp", ("gate_proj", "up_proj")), ("mlp", ("down_proj",)))  # fmt: skip


@dataclass(frozen=True)
class Product:
    """One of a layer's four, and the modules that are in it."""

    pack: Pack
    names: tuple[str, ...]
    """As in ``model.named_modules()``, in the order of ``pack.places``."""


@dataclass(frozen=True)
class Layer:
    """One decoder layer."""

    products: tuple[Product, ...]
    before_attention: tuple[Tensor, float]
    """The norm's weight and epsilon."""
    before_mlp: tuple[Tensor, float]


@dataclass(frozen=True)
class Side:
    """What the adapters of the batch add to one product."""

    down: Tensor
    """(in, all ranks)."""
    up: Tensor
    """(all ranks, out), each adapter's rows zero outside the modules they are for."""
    ranks: tuple[int, ...]
    """Of each adapter."""


class LeanPass:
    """Runs a batch through the layers; `known` says whether it can."""

    def __init__(self, model: PreTrainedModel, layers: Sequence[Layer]) -> None:
        backbone: Any = model.get_submodule("model")
        # taken now: while an adapter is switched to, other modules stand in their places
        self._embedding: Tensor = backbone.embed_tokens.weight
        self._rotary: Any = backbone.rotary_emb
        self._last: tuple[Tensor, float] = (backbone.norm.weight, backbone.norm.variance_epsilon)
        self._head: Any = model.get_submodule("lm_head").forward  # past the hooks of the mixer
        self._layers = layers
        self._names = frozenset(name for layer in layers for product in layer.products for name in product.names)
        attention = backbone.layers[0].self_attn
        self._width: int = attention.head_dim
        self._keys: int = layers[0].products[0].pack.places[1].stop - layers[0].products[0].pack.places[1].start
        self._scaling: float = attention.scaling
        self._adapters: tuple[Adapter, ...] = ()
        self._sides: list[tuple[Side | None, ...]] = []
        self._taken = True

    def known(self, doses: Sequence[Dose]) -> bool:
        """Whether every adapter of the batch is one that this pass can mix; makes ready for them."""
        adapters = {id(dose.adapter): dose.adapter for dose in doses if dose.adapter is not None}
        wanted = tuple(adapters[key] for key in sorted(adapters))
        if [id(adapter) for adapter in wanted] != [id(adapter) for adapter in self._adapters]:
            self._adapters = wanted
            self._taken = all(self._takes(adapter) for adapter in wanted)
            self._sides = []
            if self._taken and wanted:
                self._sides = [tuple(self._side(product) for product in layer.products) for layer in self._layers]
        return self._taken

    def __call__(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        segments: Sequence[Segment],
        doses: Sequence[Dose],
        kept: Sequence[int],
    ) -> Tensor:
        """Logits (kept, vocabulary) after those tokens."""
        states = self._embedding[torch.tensor(tokens)]
        cosine, sine = self._rotary(states[None], position_ids=torch.tensor([positions]))
        half = cosine.shape[-1] // 2
        signed = torch.cat((-sine[..., :half], sine[..., half:]), -1)
        turn = (cosine[0, :, None], signed[0, :, None])
        counts = [segment.end - segment.start for segment in segments]
        whole = len(self._adapters) == 1 and all(dose.adapter is not None and dose.strength == 1.0 for dose in doses)
        scales: dict[tuple[int, ...], Tensor | None] = {}
        for number, layer in enumerate(self._layers):
            sides = self._sides[number] if self._sides else (None,) * len(layer.products)
            for side in sides:
                if side is not None and side.ranks not in scales:
                    scaled = scale_of(doses, self._adapters, side.ranks, counts, states)
                    scales[side.ranks] = None if whole else scaled
            states = self._layer(number, layer, sides, scales, states, turn, segments)
        if len(kept) < len(tokens):
            states = states[torch.tensor(kept, dtype=torch.long)]
        logits: Tensor = self._head(_norm(states, *self._last))
        return logits

    def _layer(
        self,
        number: int,
        layer: Layer,
        sides: Sequence[Side | None],
        scales: dict[tuple[int, ...], Tensor | None],
        states: Tensor,
        turn: tuple[Tensor, Tensor],
        segments: Sequence[Segment],
    ) -> Tensor:
        """One layer's states (tokens, width) from those before it."""

        def product(place: int, given: Tensor) -> Tensor:
            output = layer.products[place].pack(given)
            side = sides[place]
            if side is None:
                return output
            inner = given @ side.down
            scale = scales[side.ranks]
            return output.addmm_(inner if scale is None else inner.mul_(scale), side.up)

        both = product(0, _norm(states, *layer.before_attention))
        states = states + product(1, self._attention(number, both, turn, segments))
        gated = product(2, _norm(states, *layer.before_mlp))
        middle = gated.shape[-1] // 2
        return states.add_(product(3, silu(gated[:, :middle]).mul_(gated[:, middle:])))

    def _attention(self, number: int, both: Tensor, turn: tuple[Tensor, Tensor], segments: Sequence[Segment]) -> Tensor:
        """Attention's output (tokens, query width) from queries, keys and values (tokens, all of them).

        Rotary positions (Su et al. 2021) turn each pair of halves: x·cos + (−second, first)·sin.
        """
        tokens, all_width = both.shape
        heads = both.view(tokens, all_width // self._width, self._width)
        own = self._keys // self._width
        turned = heads[:, :-own]
        turned = torch.addcmul(turned * turn[0], turned.roll(self._width // 2, -1), turn[1])
        queries = turned[:, :-own].transpose(0, 1)[None]
        keys = turned[:, -own:].transpose(0, 1)[None]
        values = heads[:, -own:].transpose(0, 1)[None]
        output = attend(number, queries, keys, values, segments, self._scaling)
        return output.transpose(1, 2).reshape(tokens, -1)

    def _takes(self, adapter: Adapter) -> bool:
        plain = all(part.gain is None and not part.embedding for part in adapter.modules.values())
        return not adapter.unmixable and plain and adapter.modules.keys() <= self._names

    def _side(self, product: Product) -> Side | None:
        downs, ups, ranks = [], [], []
        for adapter in self._adapters:
            rank = 0
            for name, place in zip(product.names, product.pack.places, strict=True):
                part = adapter.modules.get(name)
                if part is not None:
                    up = part.up.new_zeros(part.up.shape[0], product.pack.width)
                    up[:, place] = part.up
                    downs.append(part.down)
                    ups.append(up)
                    rank += len(up)
            ranks.append(rank)
        return Side(torch.cat(downs, 1), torch.cat(ups), tuple(ranks)) if downs else None


def _norm(states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """RMSNorm; of one token alone by a dot product, which takes a third of the time."""
    if len(states) != 1:
        return rms_norm(states, weight, epsilon)
    row = states[0]
    normed: Tensor = states * (float(torch.dot(row, row)) / len(row) + epsilon) ** -0.5
    return normed.mul_(weight)


def lean_pass(model: PreTrainedModel) -> LeanPass | None:
    """The pass of `model`; None where it is not as known here, or its weights are not packed."""
    config: Any = model.config
    usual = getattr(config, "hidden_act", None) == "silu" and getattr(config, "sliding_window", None) is None
    if type(model).__name__ not in KNOWN or not usual:
        return None
    names = {id(module): name for name, module in model.named_modules()}
    layers = [_layer(module, names) for module in model.get_submodule("model.layers").children()]
    known = [layer for layer in layers if layer is not None]
    return LeanPass(model, known) if known and len(known) == len(layers) else None


def _layer(module: Any, names: dict[int, str]) -> Layer | None:
    products = []
    for holder, parts in _PARTS:
        linears = [getattr(getattr(module, holder), part) for part in parts]
        pack = pack_of(linears[0])
        if pack is None or len(pack.places) != len(parts):
            return None
        products.append(Product(pack, tuple(names[id(each)] for each in linears)))
    first, second = module.input_layernorm, module.post_attention_layernorm
    return Layer(
        tuple(products),
        (first.weight, first.variance_epsilon),
        (second.weight, second.variance_epsilon),
    )
