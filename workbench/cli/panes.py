"""Panes in the terminal: what each model says and who it is, side by side where the width allows, else stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workbench.errors import WorkbenchError
from workbench.records.datasets import Message

if TYPE_CHECKING:
    from workbench.playground import Delta

NARROWEST = 36
"""Characters below which panes stand under each other."""
NO_EFFECT = 1e-6
"""An adapter whose distance is below this, in nats, changed nothing on this prompt."""


@dataclass
class Pane:
    """One model and its conversation."""

    title: str
    model: str
    turns: list[Message] = field(default_factory=list)
    answer: str = ""
    phase: str = ""
    """What the engine is busy with while nothing is written yet."""
    footer: str = ""
    error: WorkbenchError | None = None


def footer(delta: Delta) -> str:
    """Who answers, how far it stands from the base, and how fast it was, as far as `delta` tells."""
    facts, speed = delta.facts, delta.tokens_per_second
    parts = []
    if facts is not None and facts.adapter is not None:
        adapter = facts.adapter
        parts.append(adapter.hash[:7] + (f" r{adapter.rank}" if adapter.rank else ""))
        if not adapter.mixed:
            parts.append("by switching")
    if facts is not None and facts.distance is not None:
        changed = facts.distance.kl >= NO_EFFECT
        parts.append(f"KL {facts.distance.kl:.2f}" if changed else "no effect here")
    if delta.tokens:
        parts.append(f"{delta.tokens} tokens" + (f", {speed:.1f} a second" if speed else ""))
    if facts is not None and facts.cut_turns:
        parts.append(f"{facts.cut_turns} old turns left out")
    return " · ".join(parts)


def drawn(panes: Sequence[Pane], width: int) -> RenderableType:
    """All panes as they are now."""
    panels = [_panel(pane) for pane in panes]
    if width // len(panes) < NARROWEST:
        return Group(*panels)
    table = Table.grid(expand=True)
    for _ in panels:
        table.add_column(ratio=1)
    table.add_row(*panels)
    return table


def _panel(pane: Pane) -> Panel:
    if pane.error is not None:
        body = Text(f"{pane.answer}\n{pane.error}".strip(), style="red")
    elif pane.answer:
        body = Text(pane.answer)
    else:
        body = Text(pane.phase or "…", style="dim")
    return Panel(body, title=Text(pane.title), subtitle=Text(pane.footer), title_align="left", subtitle_align="left")
