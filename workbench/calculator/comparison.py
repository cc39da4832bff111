"""What other ways of adapting the same base model would train, beside the chosen one."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.method import Method
from workbench.methods.bitfit import BitFit
from workbench.methods.full import Full
from workbench.methods.lora import Lora
from workbench.methods.low_rank import LowRank
from workbench.methods.matching import linear_modules
from workbench.methods.prefix import PrefixTuning
from workbench.methods.targeted import Targeted
from workbench.records import Record
from workbench.records.base_models import Blueprint

_RANKS = (1, 4, 8, 64)
_PREFIX_TOKENS = 20
_ADAPTER_WIDTH = 64


class Comparison(Record):
    """One other way, and what it trains."""

    label: str
    trainable: int


def comparisons(method: Method, blueprint: Blueprint) -> tuple[Comparison, ...]:
    """Full fine-tuning, BitFit, a prefix, the classic adapter, and LoRA at four ranks on the same targets."""
    return tuple(_rows(method, blueprint))


def _rows(method: Method, blueprint: Blueprint) -> Iterator[Comparison]:
    for other in (Full(), BitFit()):
        yield Comparison(label=other.title, trainable=other.count(blueprint).trainable)
    prefix = PrefixTuning(tokens=_PREFIX_TOKENS).count(blueprint).trainable
    yield Comparison(label=f"Prefix of {_PREFIX_TOKENS} tokens", trainable=prefix)
    yield Comparison(label=f"Adapter layers of width {_ADAPTER_WIDTH}", trainable=adapter_layers(blueprint))
    for rank in _RANKS:
        yield Comparison(label=f"LoRA, rank {rank}", trainable=_like(method, rank).count(blueprint).trainable)


def _like(method: Method, rank: int) -> Lora:
    """Plain LoRA of that rank on the targets of `method`, where it has any."""
    if isinstance(method, LowRank):
        shared = {name: getattr(method, name) for name in LowRank.model_fields if name not in ("kind", "rank_pattern")}
        return Lora(**{**shared, "rank": rank})
    if isinstance(method, Targeted):
        shared = {name: getattr(method, name) for name in Targeted.model_fields if name != "kind"}
        return Lora(**{**shared, "rank": rank})
    return Lora(rank=rank)


def adapter_layers(blueprint: Blueprint, width: int = _ADAPTER_WIDTH) -> int:
    """Two bottlenecks of `width` a layer and its norms (Houlsby et al. 2019; counted as in Hu et al. 2021, 5.1).

    2L·(2·d·m + d + m) + 2·2L·d for L layers of width d and bottlenecks of width m.
    """
    layers = len(
        {
            module.name.split(f".{module.layer}.")[0] + f".{module.layer}"
            for module in linear_modules(blueprint)
            if module.layer is not None
        }
    )
    hidden = blueprint.hidden_size
    return 2 * layers * (2 * hidden * width + hidden + width) + 2 * 2 * layers * hidden
