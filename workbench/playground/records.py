"""What the playground takes and gives: who answers, how, and what comes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.protocol.chat import AnswerFacts
from workbench.records import Record


class PaneChoice(Record):
    """One who can answer."""

    id: str
    """A model id: ``base``, ``RUN``, ``RUN@0.5`` or ``RUN/checkpoint-200``."""
    label: str
    base_model: str
    """The reference of the base model."""
    kind: Literal["base", "run", "checkpoint", "adapter", "merged", "endpoint"] = "base"
    """What it is; ``adapter`` is one that was added from elsewhere."""
    added: str = ""
    """The id of the entry it comes from, where it was added."""
    endpoint: str = ""
    """Base address of another OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1``; empty for our engine."""


class Sampling(Record):
    """How tokens are chosen."""

    temperature: float = Field(0.0, ge=0, le=2, title="Temperature", description="0 always takes the likeliest token.")
    top_p: float = Field(
        1.0, gt=0, le=1, title="Top-p", description="Draws from the likeliest tokens that make up this share."
    )
    top_k: int = Field(0, ge=0, title="Top-k", description="Draws from this many likeliest tokens; 0 from all.")
    min_p: float = Field(
        0.0, ge=0, le=1, title="Min-p", description="Leaves out tokens below this share of the likeliest one's."
    )
    repetition_penalty: float = Field(
        1.0,
        gt=0,
        le=10,
        title="Repetition penalty",
        description="Above 1 makes tokens that were said less likely.",
    )
    max_tokens: int = Field(200, ge=1, le=1_000_000, title="Max tokens", description="Longest answer.")
    seed: int | None = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="Same seed, same answer; empty for another one each time."
    )
    stop: tuple[str, ...] = Field((), max_length=16, title="Stop words", description="The answer ends before these.")


class Delta(Record):
    """What comes of an answer, piece by piece; the last one is `done` and carries the whole account."""

    text: str = ""
    """What is new."""
    done: bool = False
    phase: str = ""
    """What the engine is busy with while nothing is written yet, such as ``loading model``."""
    phase_done: float | None = None
    tokens: int = 0
    """Written so far; exact in the last delta."""
    seconds: float = 0.0
    """Since the question was sent."""
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    """Written after the first one; None where that would mean nothing, as `workbench.playground.speed` says."""
    finish_reason: str | None = None
    adapter_hash: str | None = None
    facts: AnswerFacts | None = None
    """Which adapter answers: before the first token; with the last delta also how far it stands from the base."""
