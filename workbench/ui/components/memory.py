"""The memory of a training step against what the device has: a stacked bar, a verdict, and what would make it fit."""

from __future__ import annotations

import html
import json

from workbench.calculator.verdict import Change, Estimate
from workbench.numbers import size

PARTS = ("weights", "adapter", "activations", "logits", "overhead")
WORDS = {"fits": "fits", "tight": "is tight", "does not fit": "does not fit"}


def memory_panel(estimate: Estimate) -> str:
    """The estimate for the settings at hand."""
    memory, device = estimate.memory, estimate.device
    room = max(estimate.needed, device.free)
    bars = "".join(
        f'<span class="lw-part-{part}" style="width:{100 * getattr(memory, part) / room:.2f}%"></span>'
        for part in PARTS
    )
    listed = "".join(
        f'<div><dt><span class="lw-key lw-part-{part}"></span>{part}</dt><dd>{size(getattr(memory, part))}</dd></div>'
        for part in PARTS
    )
    kind = estimate.verdict.replace(" ", "-")
    return (
        '<section class="lw-count" aria-label="Memory of a training step">'
        f'<p class="lw-label">Memory of a training step</p>'
        f'<p class="lw-verdict lw-verdict-{kind}">{size(estimate.needed)} {WORDS[estimate.verdict]}'
        f"<span> {size(device.free)} free on {html.escape(device.name)}</span></p>"
        f'<div class="lw-bar" aria-hidden="true">{bars}</div><dl class="lw-facts">{listed}</dl>'
        f"{_recomputed(estimate)}{_studied(estimate)}"
        f'<p class="lw-note">Talking to it afterwards takes about {size(estimate.answering)}.</p>'
        f"{_changes(estimate)}</section>"
    )


def _recomputed(estimate: Estimate) -> str:
    if not estimate.recomputes:
        return ""
    return '<p class="lw-note">Activations are recomputed, which takes about a third more time.</p>'


def _studied(estimate: Estimate) -> str:
    if not estimate.studying:
        return ""
    more = estimate.studying > estimate.memory.total
    than = " more than a step: fewer target modules need less, and LoRA reads nothing" if more else " less than a step"
    return f'<p class="lw-note">Before it begins it reads rows, which takes {size(estimate.studying)},{than}.</p>'


def _changes(estimate: Estimate) -> str:
    if estimate.verdict == "fits" and not estimate.changes:
        return ""
    if not estimate.changes and estimate.studying > estimate.memory.total:
        return ""
    if not estimate.changes:
        return '<p class="lw-note">No change of these settings makes it fit: choose a smaller base model.</p>'
    items = "".join(map(_change, estimate.changes))
    so = " without" if estimate.recomputes else ""
    return f'<p class="lw-label">The cheapest changes that make it fit{so}</p><div class="lw-changes">{items}</div>'


def _change(change: Change) -> str:
    """A button; the page's script hands its settings to the form."""
    fields = html.escape(json.dumps(change.fields), quote=True)
    return (
        f'<button type="button" class="lw-button" data-change="{fields}">{html.escape(change.label)}'
        f"<span>{size(change.total)}</span></button>"
    )
