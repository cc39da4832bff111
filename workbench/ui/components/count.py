"""The trainable parameters of the settings at hand: the number, what it is a share of, and how it comes about."""

from __future__ import annotations

import html

from workbench.numbers import share, size
from workbench.records import ParameterCount, ParameterGroup

BYTES_FP32 = 4


def count_panel(count: ParameterCount) -> str:
    """The live result beside the form."""
    facts = [
        ("of the base model", share(count.trainable, count.base)),
        ("fewer than full fine-tuning", f"{count.base / count.trainable:,.0f}×" if count.trainable else "–"),
        ("adapter on disk", size(count.trainable * BYTES_FP32)),
    ]
    if count.scaling is not None:
        facts.append(("scaling of the update", f"{count.scaling:g}"))
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        '<section class="lw-count" aria-label="Trainable parameters">'
        f'<p class="lw-label">Trainable parameters</p><p class="lw-number" aria-live="polite">{count.trainable:,}</p>'
        f'<dl class="lw-facts">{listed}</dl>{_table(count)}</section>'
    )


def no_count(reason: str) -> str:
    """What stands there while the settings are wrong."""
    return (
        '<section class="lw-count" aria-label="Trainable parameters"><p class="lw-label">Trainable parameters</p>'
        f'<p class="lw-number lw-none">–</p><p class="lw-note">{html.escape(reason)}</p></section>'
    )


def _table(count: ParameterCount) -> str:
    rows = "".join(_row(group) for group in count.groups)
    return (
        '<div class="lw-scroll"><table class="lw-table"><caption>How it adds up</caption><thead><tr>'
        '<th scope="col">Module</th><th scope="col" class="lw-figure">Number</th><th scope="col">Each</th>'
        f'<th scope="col" class="lw-figure">Total</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(group: ParameterGroup) -> str:
    return (
        f'<tr><th scope="row">{html.escape(group.name)}</th><td class="lw-figure">{group.count}</td>'
        f'<td><span class="lw-formula">{html.escape(group.formula)}</span></td>'
        f'<td class="lw-figure">{group.total:,}</td></tr>'
    )
