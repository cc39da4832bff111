"""A dataset, its rows as conversations, and what is wrong with them."""

from __future__ import annotations

from typing import Literal

from workbench.records import Record


class Message(Record):
    """One turn."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    extra: str = ""
    """What else the row says of the turn, for the chat template: a JSON object of ``tool_calls``, ``name``, …"""


class Conversation(Record):
    """One row as every format hands it on: turns, or a text that has none."""

    line: int
    """Where it stands in the file, counted from 1."""
    messages: tuple[Message, ...] = ()
    text: str | None = None
    """Running text, learned whole; then there are no messages."""
    tools: str = ""
    """The tools that the model may call, for the chat template: a JSON list, or nothing."""


class RowProblem(Record):
    """What is wrong with one row, or with the file."""

    line: int | None
    severity: Literal["error", "warning"]
    kind: str
    """A stable short name that groups problems: ``no-answer``."""
    message: str
    remedy: str
    excerpt: str = ""
    """The offending text, shortened."""


class Dataset(Record):
    """A file that was ingested, kept by the hash of its content."""

    id: str
    """First 16 hex digits of the SHA-256 of the original file."""
    name: str
    format: str
    rows: int
    """Rows that can be trained on."""
    refused: int
    """Rows that cannot."""
    bytes: int
    source: str = ""
    licence: str = ""
    added: float
    """Unix time."""
    version: int = 1
    """Counts up when another content gets the same name."""
    parent: str = ""
    """The dataset that this one was edited from; nothing for a file."""
    steps: tuple[str, ...] = ()
    """The edits since the file, a sentence each."""
