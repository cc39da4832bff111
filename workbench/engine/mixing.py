"""Many adapters in one batch: one pair of matrices a module holds them all, and each row picks its own by a scale.

The adapters of the batch stand side by side: their ``down`` matrices as columns, their ``up`` matrices as rows. A
row's scale is its strength on the columns of its own adapter and 0 on the others', so that two small matrix products
serve every row, the base model's included (its scales are all 0). Compare S-LoRA (Sheng et al. 2023, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from workbench.engine.adapters import Adapter, LowRank


@dataclass(frozen=True)
class Dose:
    """How much of which adapter a row takes."""

    adapter: Adapter | None
    strength: float = 1.0

    @property
    def switched(self) -> bool:
        """Whether the adapter cannot be mixed, and the model is switched to it instead."""
        return self.adapter is not None and bool(self.adapter.unmixable)

    @property
    def prefix(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Keys and values that its rows begin with, layer by layer."""
        return self.adapter.prefix if self.adapter is not None else ()

    @property
    def prompt(self) -> Tensor | None:
        """Embeddings (1, virtual tokens, width) that its rows begin with."""
        return self.adapter.prompt if self.adapter is not None else None

    @property
    def virtual_tokens(self) -> int:
        """How many of the context's places they take."""
        return self.adapter.virtual_tokens if self.adapter is not None else 0

    @property
    def divisible(self) -> bool:
        """Whether its strength can be anything but full."""
        return not self.virtual_tokens


BASE_DOSE = Dose(None)


@dataclass(frozen=True)
class Blend:
    """The adapters of the batch at one module."""

    down: Tensor
    """(in, all ranks)."""
    up: Tensor
    """(all ranks, out)."""
    ranks: tuple[int, ...]
    """Of each adapter of the mixture, 0 where it leaves this module alone."""
    embedding: bool
    gains: Tensor | None
    """(adapters, out): how much of the module's own output each adds to it again, for DoRA; None where none does."""


class Mixer:
    """Hooks on a model's modules that add each row's adapter to their output."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._own = dict(model.named_modules())  # not what another adapter may have put in their places
        self._hooked: dict[str, Any] = {}
        self._adapters: tuple[Adapter, ...] = ()
        self._blends: dict[str, Blend] = {}
        self._scales: dict[tuple[tuple[int, ...], int], Tensor] = {}
        self._doses: tuple[Dose, ...] = ()
        self._counts: tuple[int, ...] = ()
        self._kept: tuple[int, ...] = ()

    def set(self, doses: Sequence[Dose], counts: Sequence[int], kept: Sequence[int]) -> None:
        """Row by row the adapter it takes, its tokens in the coming forward pass, and how many the head sees."""
        self._doses, self._counts, self._kept = tuple(doses), tuple(counts), tuple(kept)
        self._scales.clear()
        adapters = {id(dose.adapter): dose.adapter for dose in doses if dose.adapter is not None}
        wanted = tuple(adapters[key] for key in sorted(adapters))
        if [id(adapter) for adapter in wanted] != [id(adapter) for adapter in self._adapters]:
            self._adapters = wanted
            self._blend()

    def _blend(self) -> None:
        names = dict.fromkeys(name for adapter in self._adapters for name in adapter.modules)
        self._blends = {name: _blend([adapter.modules.get(name) for adapter in self._adapters]) for name in names}
        for name in names:
            if name not in self._hooked:
                self._hooked[name] = self._own[name].register_forward_hook(_Hook(self, name))

    def add(self, name: str, given: Tensor, output: Tensor, bias: Tensor | None) -> Tensor:
        """`output` of the module plus what the rows' adapters add to it; `bias` is the part DoRA leaves alone."""
        blend = self._blends.get(name)
        if blend is None:
            return output
        inner = embedding(given, blend.down) if blend.embedding else given @ blend.down
        inner = inner.reshape(-1, blend.down.shape[1])
        flat = output.reshape(-1, output.shape[-1])
        if blend.gains is not None:
            own = flat if bias is None else flat - bias
            flat = flat + own * (self._scale((1,) * len(self._adapters), len(flat)) @ blend.gains)
        return torch.addmm(flat, inner * self._scale(blend.ranks, len(inner)), blend.up).view(output.shape)

    def _scale(self, ranks: tuple[int, ...], tokens: int) -> Tensor:
        """(tokens, all ranks): built once a forward pass for each layout of ranks, usually one."""
        key = (ranks, tokens)
        if key not in self._scales:
            counts = self._kept if tokens == sum(self._kept) else self._counts
            like = next(self._model.parameters())
            self._scales[key] = scale_of(self._doses, self._adapters, ranks, counts, like)
        return self._scales[key]


def scale_of(
    doses: Sequence[Dose], adapters: Sequence[Adapter], ranks: Sequence[int], counts: Sequence[int], like: Tensor
) -> Tensor:
    """(tokens, all ranks): each token's strength on its own adapter's columns and 0 on the others'.

    `ranks` are those of `adapters`, `counts` the tokens of the rows that take `doses`.
    """
    rows = torch.tensor(
        [
            [
                dose.strength if dose.adapter is adapter else 0.0
                for adapter, rank in zip(adapters, ranks, strict=True)
                for _ in range(rank)
            ]
            for dose in doses
        ]
    )
    if any(count != 1 for count in counts):
        rows = rows.repeat_interleave(torch.tensor(counts), 0)
    return rows.to(like.device, like.dtype)


def _blend(parts: Sequence[LowRank | None]) -> Blend:
    present = [part for part in parts if part is not None]
    return Blend(
        down=torch.cat([part.down for part in present], 1),
        up=torch.cat([part.up for part in present], 0),
        ranks=tuple(0 if part is None else part.up.shape[0] for part in parts),
        embedding=present[0].embedding,
        gains=_gains(parts),
    )


def _gains(parts: Sequence[LowRank | None]) -> Tensor | None:
    some = next((part for part in parts if part is not None and part.gain is not None), None)
    if some is None or some.gain is None:
        return None
    none = torch.zeros_like(some.gain)
    return torch.stack([part.gain if part is not None and part.gain is not None else none for part in parts])


@dataclass(frozen=True)
class _Hook:
    mixer: Mixer
    name: str

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        bias = getattr(module, "bias", None)
        return self.mixer.add(self.name, given[0], output, bias)
