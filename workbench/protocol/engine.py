"""What crosses the border between the server and the engine beside chat: blueprints, tokens and the engine's state.

Both sides import this file, so it imports nothing heavy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from workbench.records import Record
from workbench.records.datasets import Conversation

TOKEN_VARIABLE = "WORKBENCH_ENGINE_TOKEN"
"""The environment variable that hands the engine its bearer token."""


class EnginePhase(StrEnum):
    """What the engine is busy with."""

    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    FETCHING_MODEL = "fetching model"
    LOADING_MODEL = "loading model"
    READY = "ready"
    UNLOADED = "unloaded"
    """Not in memory any more; the next message loads it again. `LoadedModel.detail` says why."""
    FAILED = "failed"


class LoadedModel(Record):
    """One base model of the engine."""

    reference: str
    phase: EnginePhase
    detail: str = ""
    done: float | None = None
    """Share of the phase that is done, 0 to 1, when known."""
    adapters: tuple[str, ...] = ()
    """Model ids whose adapter lies in memory."""
    rows: int = 0
    """Answers being written."""
    waiting: int = 0
    """Answers that wait for a place."""
    written: int = 0
    """Tokens of answers since it was loaded, those of answers that were broken off included."""


class EngineStatus(Record):
    """Where the engine stands; the first busy base model speaks for it."""

    phase: EnginePhase
    detail: str = ""
    done: float | None = None
    models: tuple[LoadedModel, ...] = ()
    memory_bytes: int = 0
    """Resident memory of the engine process."""


class ReleaseRequest(Record):
    """Asks the engine to let go of the base models, each as soon as its answers are complete."""

    reason: str
    """Why, as a page shows it."""


class BlueprintRequest(Record):
    """Asks for the shape of a base model."""

    model: str


class TokeniseRequest(Record):
    """Asks how conversations become tokens, and which of those are trained on."""

    model: str
    conversations: tuple[Conversation, ...]
    train_on: Literal["assistant", "last", "all"] = "assistant"
    max_length: int = Field(512, ge=1)
    chat_template: str = "auto"
    """``auto`` for the base model's own, or the name of one."""
    whole: bool = False
    """Whether the tokens beyond `max_length` come too, behind the others."""


class TokenisedConversation(Record):
    """One conversation as the model sees it."""

    line: int
    tokens: tuple[int, ...] = ()
    pieces: tuple[str, ...] = ()
    """The text of each token; joined they are the rendered conversation, as far as tokens hold whole characters."""
    trained: tuple[bool, ...] = ()
    """Whether the loss counts the token."""
    special: tuple[bool, ...] = ()
    """Whether the token is one that no text splits into, such as one that ends a turn."""
    cut: int = 0
    """Tokens beyond max_length, which are not trained."""
    problem: str = ""
    """Why it could not be rendered; pieces is empty then."""


class TokeniseAnswer(Record):
    """The answer to a `TokeniseRequest`, conversation by conversation."""

    conversations: tuple[TokenisedConversation, ...]


class HeldOutRequest(Record):
    """Asks how a dataset is parted into rows to train on and rows held out."""

    dataset: str
    """Its id in the library."""
    validation_share: float = Field(ge=0, le=0.5)


class TokensRequest(Record):
    """Asks for the figures of a dataset in tokens, as far as they are counted."""

    model: str
    dataset: str
    """Its id in the library."""
    train_on: Literal["assistant", "last", "all"] = "assistant"
    max_length: int = Field(512, ge=1)
    chat_template: str = "auto"
