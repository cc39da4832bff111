"""What is known of the chosen base model, in a few lines."""

from __future__ import annotations

import html
from itertools import groupby

from workbench.methods.parts import targetable
from workbench.numbers import short, size
from workbench.records.base_models import BaseModelCard, Blueprint


def choice(card: BaseModelCard) -> tuple[str, str]:
    """The card as one line of a menu, and its reference."""
    parts = [card.name, *([short(card.parameters)] if card.parameters else []), _state(card)]
    return " · ".join(parts), card.reference


def _state(card: BaseModelCard) -> str:
    if card.ready:
        return "on this machine"
    if card.obstacle:
        return "to count, not to train"
    return "gated download" if card.gated else "download"


def model_card(card: BaseModelCard, blueprint: Blueprint) -> str:
    """The facts of a base model, what can be targeted in it, and what stands in the way of a run."""
    facts = [
        ("Architecture", blueprint.architecture),
        ("Parameters", f"{blueprint.parameters:,}"),
        ("Layers", f"{blueprint.num_layers} of width {blueprint.hidden_size:,}"),
        ("Context", f"{blueprint.context_length:,} tokens" if blueprint.context_length else "unlimited"),
        ("Chat template", _template(card.chat_template)),
        ("Licence", card.licence or "unknown"),
        ("Weights", _weights(card, blueprint)),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    note = f'<p class="lw-note">{html.escape(card.note)}</p>' if card.note else ""
    return f'<dl class="lw-facts lw-card">{listed}</dl>{_modules(blueprint)}{note}{_obstacle(card)}'


def _template(has: bool | None) -> str:
    return {True: "its own", False: "none: choose one with the data", None: "known once it is fetched"}[has]


def _weights(card: BaseModelCard, blueprint: Blueprint) -> str:
    stored = card.download_bytes or blueprint.disk_bytes
    kind = f"of {blueprint.dtype}" if stored >= blueprint.parameters else "packed"
    if card.ready:
        return f"{size(stored)} {kind}, on this machine"
    if card.obstacle:
        return f"none here; {size(stored)} {kind}"
    return f"{size(stored)} {kind} to download{', needs a token' if card.gated else ''}"


def _modules(blueprint: Blueprint) -> str:
    """What can be targeted, part after part."""
    parts = (
        f"{part}: {', '.join(f'{each.name} ×{each.count}' for each in names)}"
        for part, names in groupby(targetable(blueprint), key=lambda each: each.part)
    )
    return f'<p class="lw-note">{html.escape(" · ".join(parts))}</p>'


def _obstacle(card: BaseModelCard) -> str:
    if card.obstacle:
        return f'<div class="lw-warnings" role="status">{html.escape(card.obstacle)}</div>'
    if card.ready or not card.reference.startswith("hub:"):
        return ""
    return f'<lw-download reference="{html.escape(card.reference, quote=True)}"></lw-download>'
