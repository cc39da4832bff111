"""Whether a training step fits into what is free, and what is the cheapest way to make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from workbench.calculator.device import Device
from workbench.calculator.memory import (
    Footprint,
    Memory,
    Setting,
    inference_memory,
    strands,
    study_memory,
    training_memory,
)
from workbench.config import RunConfig
from workbench.method import Method
from workbench.methods.low_rank import LowRank
from workbench.methods.ranked import Ranked
from workbench.records import Record
from workbench.records.base_models import Blueprint, ParameterCount

_COMFORTABLE = 0.9
"""Share of the free memory up to which a step fits without a doubt."""
_FUSED_FAMILIES = ("llama", "mistral", "qwen2")
_SHOWN = 3
_TOGETHER = 3
_SHORTEST_ROW = 64
_LOWEST_RANK = 4

Verdict = Literal["fits", "tight", "does not fit"]


class Change(Record):
    """One way to need less."""

    label: str
    """``Batch size 2, accumulated 4 times``"""
    fields: dict[str, Any]
    """The run config's fields to set, by dotted path."""
    total: int
    """Bytes that the step needs then."""


class Estimate(Record):
    """Memory of a run's step on a device."""

    memory: Memory
    studying: int
    """Bytes at the peak of what the method reads before it begins; 0 when it reads nothing."""
    device: Device
    verdict: Verdict
    recomputes: bool
    """Whether activations are recomputed: asked for, or because the step would not fit otherwise."""
    changes: tuple[Change, ...]
    """The cheapest ways to make it fit, without recomputing by itself, best first; empty when it fits so."""
    answering: int
    """Bytes that one conversation of the longest row takes afterwards, the adapter loaded."""

    @property
    def needed(self) -> int:
        """Bytes at the run's peak."""
        return max(self.memory.total, self.studying)


class _Way(NamedTuple):
    """A change and what it costs: 1 for hardly anything, more for time, then for what is learnt."""

    what: str
    """What it changes; two ways that change the same are not combined."""
    label: str
    cost: int
    setting: dict[str, Any]
    fields: dict[str, Any]
    footprint: Footprint | None = None
    """Of the changed method, where it changes that."""


def setting_of(config: RunConfig, blueprint: Blueprint, device: Device) -> Setting:
    """What `config` says about memory, for that model on that device."""
    training = config.training
    single = training.precision == "fp32" or (training.precision == "auto" and not device.fast_bf16)
    single = single or (config.method.in_place and device.kind == "cpu")
    packed = training.quantization
    budget = training.batch_tokens
    batch_size, length = (1, budget) if budget else (training.batch_size, config.data.max_length)
    fused = device.kind == "cpu" and single and packed == "none" and _is_fused(config.method, blueprint)
    return Setting(
        batch_size=batch_size,
        length=length,
        weights=packed if packed != "none" else "fp32" if single else "bf16",
        optimizer=training.optimizer,
        checkpointing=training.recompute_activations == "always",
        dropout=getattr(config.method, "dropout", 0) > 0,
        autocast=device.kind == "cuda" and not single,
        computed="fp32" if single else "bf16",
        fused=fused,
        strands=strands(batch_size * length, training.threads or device.cores) if fused else 1,
        projected="all" if _trains_the_head(config.method, blueprint) else "chunk",
        device=device.kind,
    )


def _trains_the_head(method: Method, blueprint: Blueprint) -> bool:
    """Whether the output head itself learns, which keeps the logits of all positions at once."""
    if not method.in_place:
        return False
    own = {module.tied_to or module.name for module in blueprint.modules if module.name == blueprint.head}
    return any(module.name in own for module in method.targets(blueprint))


def _is_fused(method: Method, blueprint: Blueprint) -> bool:
    """Whether the worker knows the layers, and a backward of its own for plain adapters on their linears."""
    plain = isinstance(method, LowRank) and method.plain and not (method.dropout or method.lora_bias)
    return plain and blueprint.model_type in _FUSED_FAMILIES


def estimate(
    config: RunConfig, blueprint: Blueprint, device: Device, counted: ParameterCount | None = None
) -> Estimate:
    """Whether a step of `config` fits on `device`; raises `WorkbenchError` when a target names nothing."""
    setting = setting_of(config, blueprint, device)
    footprint = Footprint.of(blueprint, config.method, counted)
    memory = training_memory(footprint, setting)
    verdict = judged(memory.total, device.free)
    changes = () if verdict == "fits" else cheapest_changes(config, footprint, setting, device.free)
    may_recompute = config.training.recompute_activations == "auto" and not config.method.cannot_recompute
    if verdict == "does not fit" and may_recompute:
        setting = replace(setting, checkpointing=True)
        memory = training_memory(footprint, setting)
        verdict = judged(memory.total, device.free)
    studying = study_memory(config.method, footprint, setting)
    talking = inference_memory(
        blueprint, replace(setting, batch_size=1, length=config.data.max_length), [footprint.trained]
    )
    return Estimate(
        memory=memory,
        studying=studying,
        device=device,
        verdict=judged(max(memory.total, studying), device.free),
        recomputes=setting.checkpointing,
        changes=changes,
        answering=talking.total,
    )


def judged(needed: int, free: int) -> Verdict:
    """In a word."""
    if needed <= _COMFORTABLE * free:
        return "fits"
    return "tight" if needed <= free else "does not fit"


def cheapest_changes(config: RunConfig, footprint: Footprint, setting: Setting, free: int) -> tuple[Change, ...]:
    """Up to three changes, each of one to three settings, after which the step fits: the cheapest first."""
    ways = list(_ways(config, footprint, setting))
    if not _can_be_done(ways, footprint, setting, free):
        return ()
    choices = sorted(_choices(ways), key=lambda chosen: sum(way.cost for way in chosen))
    found: list[Change] = []
    answered: list[set[str]] = []
    for chosen in choices:
        if len(found) == _SHOWN:
            break
        what = {way.what for way in chosen}
        if any(what >= simpler for simpler in answered):
            continue
        change = _combined(chosen, footprint, setting)
        if judged(change.total, free) == "fits":
            found.append(change)
            answered.append(what)
    return tuple(found)


def _can_be_done(ways: list[_Way], footprint: Footprint, setting: Setting, free: int) -> bool:
    """Whether all that can be changed, changed as far as it goes, is enough; a quick no spares trying everything."""
    furthest = {way.what: way for way in ways}
    return bool(furthest) and judged(_combined(tuple(furthest.values()), footprint, setting).total, free) == "fits"


def _choices(ways: list[_Way]) -> Iterator[tuple[_Way, ...]]:
    """One to three ways together that change different things."""
    for number in range(1, _TOGETHER + 1):
        for chosen in combinations(ways, number):
            if len({way.what for way in chosen}) == number:
                yield chosen


def _combined(chosen: tuple[_Way, ...], footprint: Footprint, setting: Setting) -> Change:
    changed = replace(setting, **{key: value for way in chosen for key, value in way.setting.items()})
    smaller = next((way.footprint for way in chosen if way.footprint), footprint)
    return Change(
        label=" and ".join([chosen[0].label, *(way.label[0].lower() + way.label[1:] for way in chosen[1:])]),
        fields={key: value for way in chosen for key, value in way.fields.items()},
        total=training_memory(smaller, changed).total,
    )


def _ways(config: RunConfig, footprint: Footprint, setting: Setting) -> Iterator[_Way]:
    yield from _smaller_batches(config, setting)
    if setting.optimizer == "adamw":
        smaller = {"training.optimizer": "adamw-8bit"}
        yield _Way("optimizer", "8-bit optimizer", 2, {"optimizer": "adamw-8bit"}, smaller)
    if setting.weights == "fp32":
        half: dict[str, Any] = {"weights": "bf16", "computed": "bf16", "fused": False}
        yield _Way("weights", "Half precision", 3, half, {"training.precision": "bf16"})
    if not setting.checkpointing and not config.method.cannot_recompute:
        again = {"training.recompute_activations": "always"}
        yield _Way("checkpointing", "Recompute activations", 4, {"checkpointing": True}, again)
    yield from _shorter_rows(setting)
    yield from _lower_rank(config.method, footprint)
    yield from _packed_weights(config.method, setting)


def _smaller_batches(config: RunConfig, setting: Setting) -> Iterator[_Way]:
    """The same effective batch in more, smaller passes."""
    size, passes = setting.batch_size, config.training.gradient_accumulation_steps
    if config.training.batch_tokens:
        return
    for cost, divisor in ((1, 2), (2, 4), (3, 8)):
        if size % divisor == 0:
            smaller, more = size // divisor, passes * divisor
            fields = {"training.batch_size": smaller, "training.gradient_accumulation_steps": more}
            label = f"Batch size {smaller}, accumulated {more} times"
            yield _Way("batch", label, cost, {"batch_size": smaller}, fields)


def _packed_weights(method: Method, setting: Setting) -> Iterator[_Way]:
    """8 and 4 bit, where the method can stand on them."""
    if setting.weights not in ("fp32", "bf16"):
        return
    for cost, packed, label in ((8, "int8", "8-bit base weights"), (9, "nf4-double", "4-bit base weights")):
        if not method.obstacle(packed):
            changed: dict[str, Any] = {"weights": packed, "fused": False}
            yield _Way("weights", label, cost, changed, {"training.quantization": packed})


def _shorter_rows(setting: Setting) -> Iterator[_Way]:
    for cost, divisor in ((6, 2), (7, 4)):
        length = setting.length // divisor
        if length >= _SHORTEST_ROW:
            label = f"Rows of {length:,} tokens at most"
            yield _Way("rows", label, cost, {"length": length}, {"data.max_length": length})


def _lower_rank(method: Method, footprint: Footprint) -> Iterator[_Way]:
    """A quarter of the rank, where that goes with the method's other fields."""
    if isinstance(method, Ranked) and method.rank >= 4 * _LOWEST_RANK:
        rank = method.rank // 4
        try:
            lower = type(method).model_validate(method.model_dump() | {"rank": rank})
        except ValidationError:
            return
        if lower.check(footprint.blueprint):
            return
        smaller = Footprint.of(footprint.blueprint, lower)
        yield _Way("rank", f"Rank {rank}", 7, {}, {"method.rank": rank}, smaller)
