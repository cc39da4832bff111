"""The trainable parameters of the settings at hand: the number, what it is a share of, and how it comes about."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from workbench.config import RunConfig
from workbench.numbers import share, size
from workbench.records.base_models import ParameterCount, ParameterGroup

FP32, BF16, ADAM = 4, 2, 8
"""Bytes a parameter takes: in the adapter's file, in a half-size one, and in AdamW's two moments."""


def count_panel(count: ParameterCount, config: RunConfig) -> str:
    """The live result beside the form; it bears what was counted, for the page's script to ask again with a slider."""
    trained = count.trainable + count.head
    facts = [
        ("of the base model", share(count.trainable, count.base)),
        ("fewer than full fine-tuning", f"{count.base / count.trainable:,.0f}×" if count.trainable else "–"),
        ("adapter on disk", f"{size(trained * FP32)}, in bf16 {size(trained * BF16)}"),
        ("optimizer state", size(trained * ADAM)),
    ]
    if count.scaling is not None:
        facts.append(("scaling of the update", f"{count.scaling:g}"))
    if count.bound is not None:
        facts.append(("at most, as ranks move", f"{count.bound:,}"))
    if count.head:
        facts.append(("task head, trained beside it", f"{count.head:,}"))
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f'<section class="lw-count" aria-label="Trainable parameters" data-config="{_counted(config)}">'
        f'<p class="lw-label">Trainable parameters</p><p class="lw-number" aria-live="polite">{count.trainable:,}</p>'
        f'<dl class="lw-facts">{listed}</dl></section>'
    )


def _counted(config: RunConfig) -> str:
    """Base model and method alone, as an attribute's text."""
    told = {"base_model": config.base_model, "method": config.method.model_dump(mode="json")}
    return html.escape(json.dumps(told), quote=True)


def no_count(reason: str) -> str:
    """What stands there while the settings are wrong."""
    return (
        '<section class="lw-count" aria-label="Trainable parameters"><p class="lw-label">Trainable parameters</p>'
        f'<p class="lw-number lw-none">–</p><p class="lw-note">{html.escape(reason)}</p></section>'
    )


def sum_table(groups: Iterable[ParameterGroup], formula: str) -> str:
    """How the number adds up, a line for each kind of module, and the whole sum to be checked by hand."""
    rows = "".join(map(_row, groups))
    heads = "".join(
        f'<th scope="col"{" class=lw-figure" if figure else ""}>{name}</th>'
        for name, figure in (
            ("Module", False),
            ("Number", True),
            ("In", True),
            ("Out", True),
            ("Rank", True),
            ("Formula, each", False),
            ("Parameters", True),
        )
    )
    return (
        f'<div class="lw-scroll" tabindex="0" aria-label="How it adds up"><table class="lw-table"><thead><tr>{heads}'
        f'</tr></thead><tbody>{rows}</tbody></table></div><p class="lw-sum">{html.escape(formula)}</p>'
    )


def _row(group: ParameterGroup) -> str:
    figures = (group.count, group.in_features or None, group.out_features or None, group.rank or None)
    cells = "".join(f'<td class="lw-figure">{"–" if figure is None else f"{figure:,}"}</td>' for figure in figures)
    return (
        f'<tr><th scope="row">{html.escape(group.name)}</th>{cells}'
        f'<td><span class="lw-formula">{html.escape(group.formula)}</span></td>'
        f'<td class="lw-figure">{group.total:,}</td></tr>'
    )
