"""What is known of the chosen base model, in a few lines."""

from __future__ import annotations

import html

from workbench.numbers import short, size
from workbench.records import BaseModelCard, Blueprint


def choice(card: BaseModelCard) -> tuple[str, str]:
    """The card as one line of a menu, and its reference."""
    state = "on this machine" if card.ready else "gated download" if card.gated else "download"
    return f"{card.name} · {short(card.parameters)} · {state}", card.reference


def model_card(card: BaseModelCard, blueprint: Blueprint) -> str:
    """The facts of a base model."""
    fetch = "ready on this machine" if card.ready else f"{size(card.download_bytes)} to download"
    facts = [
        ("Architecture", blueprint.architecture),
        ("Parameters", f"{blueprint.parameters:,}"),
        ("Layers", f"{blueprint.num_layers} of width {blueprint.hidden_size:,}"),
        ("Context", f"{blueprint.context_length:,} tokens" if blueprint.context_length else "unlimited"),
        ("Licence", card.licence or "unknown"),
        ("Weights", fetch + (", needs a token" if card.gated and not card.ready else "")),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    note = f'<p class="lw-note">{html.escape(card.note)}</p>' if card.note else ""
    return f'<dl class="lw-facts lw-card">{listed}</dl>{note}'
