"""Everything that a page, a command or a program wants to know of a config's parameters and memory, in one record."""

from __future__ import annotations

from collections import defaultdict

from workbench.calculator.comparison import Comparison, comparisons
from workbench.calculator.device import Device
from workbench.calculator.verdict import Estimate, estimate
from workbench.config import RunConfig
from workbench.methods.matching import last_part
from workbench.records import Record
from workbench.records.base_models import Blueprint, ParameterCount, ParameterGroup

_FP32, _BF16, _ADAM = 4, 2, 8


class LayerShare(Record):
    """What is trained in the modules of one name in one layer."""

    layer: int | None
    name: str
    parameters: int


class ParameterReport(Record):
    """The answer to ``workbench params``; as JSON it is the answer to ``--json``."""

    model: str
    method: str
    trainable: int
    """The adapter alone, without a classification head."""
    base: int
    head: int
    bound: int | None
    share: float
    """Trainable over base."""
    reduction: float
    """Base over trainable: how many times fewer parameters are trained; 0 when none are."""
    scaling: float | None
    groups: tuple[ParameterGroup, ...]
    formula: str
    """The whole sum with its numbers: ``30·8·(576 + 576) + 30·8·(576 + 192) = 460,800``."""
    adapter_bytes_fp32: int
    adapter_bytes_bf16: int
    optimizer_bytes: int
    """Adam's two moments."""
    comparisons: tuple[Comparison, ...]
    layers: tuple[LayerShare, ...]
    memory: Estimate | None
    """None when no device was asked about."""


def parameter_report(config: RunConfig, blueprint: Blueprint, device: Device | None = None) -> ParameterReport:
    """All of it; raises `WorkbenchError` when a target names nothing. Check the config first for better words."""
    counted = config.method.count(blueprint)
    trained = counted.trainable + counted.head
    return ParameterReport(
        model=blueprint.model,
        method=config.method.kind,
        trainable=counted.trainable,
        base=counted.base,
        head=counted.head,
        bound=counted.bound,
        share=counted.trainable / counted.base if counted.base else 0.0,
        reduction=counted.base / counted.trainable if counted.trainable else 0.0,
        scaling=counted.scaling,
        groups=counted.groups,
        formula=formula_of(counted),
        adapter_bytes_fp32=trained * _FP32,
        adapter_bytes_bf16=trained * _BF16,
        optimizer_bytes=trained * _ADAM,
        comparisons=comparisons(config.method, blueprint),
        layers=layer_shares(config, blueprint),
        memory=estimate(config, blueprint, device, counted) if device else None,
    )


def formula_of(counted: ParameterCount) -> str:
    """The sum over all groups as a person would check it by hand."""
    terms = (
        f"{group.count}·({group.formula})" if _is_sum(group) else f"{group.count}·{group.formula}"
        for group in counted.groups
    )
    return f"{' + '.join(terms)} = {counted.trainable:,}"


def _is_sum(group: ParameterGroup) -> bool:
    """Whether the formula's last step is an addition, so that it needs brackets as a factor."""
    depth = 0
    for sign in group.formula:
        depth += (sign == "(") - (sign == ")")
        if sign == "+" and depth == 0:
            return True
    return False


def layer_shares(config: RunConfig, blueprint: Blueprint) -> tuple[LayerShare, ...]:
    """Where the trained parameters sit, by layer and name, in the model's order."""
    shares: defaultdict[tuple[int | None, str], int] = defaultdict(int)
    for module in config.method.targets(blueprint):
        shares[module.layer, last_part(module.name)] += config.method.beside(module)
    return tuple(LayerShare(layer=layer, name=name, parameters=total) for (layer, name), total in shares.items())
