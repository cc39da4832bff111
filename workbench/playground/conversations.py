"""Conversations with several panes, and sets of prompts, as users save them: files under the home."""

from __future__ import annotations

import yaml
from pydantic import Field

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground.records import Sampling
from workbench.playground.shelf import Kept, Shelf
from workbench.presets import PRESETS
from workbench.protocol.chat import AnswerFacts
from workbench.protocol.model_ids import BASE, MAX_STRENGTH
from workbench.records import Record

MAX_TEXT = 1_000_000
MAX_PROMPTS = 500
MAX_SEATS = 6


class SavedAnswer(Record):
    """What one seat answered to one prompt."""

    text: str = Field(max_length=MAX_TEXT)
    tokens: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    finish_reason: str | None = None
    edited: bool = False
    """Whether the user wrote it."""
    facts: AnswerFacts | None = None


class SavedSeat(Record):
    """One who answered, and how it was asked."""

    model: str = Field(BASE, max_length=300)
    """A model id without its strength; at an endpoint one of its own."""
    strength: float = Field(1.0, ge=0, le=MAX_STRENGTH)
    endpoint: str = Field("", max_length=2000)
    base: str = Field("", max_length=2000)
    """The reference of a whole model that is not the conversation's base model, such as a merged one."""
    reference: str = Field("", max_length=300)
    """At an endpoint: the model there that it is measured against; empty for the first other one."""
    label: str = Field("", max_length=300)
    """How it was called, for when it is not there any more."""
    system: str | None = Field(None, max_length=MAX_TEXT)
    """Its own system prompt; None for the shared one."""
    sampling: Sampling | None = None
    answers: tuple[SavedAnswer, ...] = Field((), max_length=MAX_PROMPTS)
    """In the order of the prompts; may end before them."""


class Conversation(Record):
    """Prompts and what every seat answered, with all that is needed to ask again."""

    base_model: str = Field(max_length=2000)
    system: str = Field("", max_length=MAX_TEXT)
    sampling: Sampling = Sampling()
    prompts: tuple[str, ...] = Field((), max_length=MAX_PROMPTS)
    seats: tuple[SavedSeat, ...] = Field(min_length=1, max_length=MAX_SEATS)


class SavedConversation(Kept, Conversation):
    """A conversation under its name."""


class ConversationSummary(Kept):
    """What a list shows of a conversation."""

    base_model: str
    prompts: int
    seats: tuple[str, ...]
    """What each was called."""


class PromptSet(Record):
    """Prompts that are asked again and again."""

    prompts: tuple[str, ...] = Field(max_length=MAX_PROMPTS)


class SavedPromptSet(Kept, PromptSet):
    """A prompt set under its name."""

    bundled: bool = False
    """Whether it comes with the workbench, and cannot be changed."""
    note: str = ""


class Conversations:
    """The saved conversations of one home."""

    def __init__(self, home: Home) -> None:
        self.shelf = Shelf(home.conversations, SavedConversation, "conversation")

    def list(self) -> list[ConversationSummary]:
        """Every one that can be read, the last changed first."""
        return [_summary(saved) for saved in self.shelf.all()[0]]


class PromptSets:
    """The prompt sets of one home, and the bundled ones."""

    def __init__(self, home: Home) -> None:
        self._shelf = Shelf(home.prompt_sets, SavedPromptSet, "prompt set")

    def list(self) -> list[SavedPromptSet]:
        """Bundled ones first, then the user's, the last changed first."""
        return [*bundled_prompts(), *self._shelf.all()[0]]

    def add(self, name: str, prompts: PromptSet) -> SavedPromptSet:
        """Keep a new one."""
        return self._shelf.add(name, _useful(prompts))

    def replace(self, id: str, prompts: PromptSet, revision: int) -> SavedPromptSet:
        """Other prompts under the same name."""
        return self._shelf.replace(id, _useful(prompts), revision)

    def rename(self, id: str, name: str) -> SavedPromptSet:
        """Another name for the same prompts."""
        return self._shelf.rename(id, name)

    def remove(self, id: str) -> None:
        """Forget one; bundled ones have no file to be forgotten."""
        self._shelf.remove(id)


def bundled_prompts() -> list[SavedPromptSet]:
    """The prompt sets that come with the workbench."""
    found = []
    for path in sorted((PRESETS / "prompts").glob("*.yaml")):
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        found.append(SavedPromptSet(id=path.stem, created=0, changed=0, bundled=True, **told))
    return found


def _useful(prompts: PromptSet) -> PromptSet:
    kept = tuple(words for prompt in prompts.prompts if (words := prompt.strip()))
    if not kept:
        raise WorkbenchError("There is no prompt in it.", remedy="Write one prompt a line.", field="prompts")
    if any(len(prompt) > MAX_TEXT for prompt in kept):
        raise WorkbenchError("One prompt is too long.", remedy=f"Keep to {MAX_TEXT:,} characters.", field="prompts")
    return PromptSet(prompts=kept)


def _summary(saved: SavedConversation) -> ConversationSummary:
    return ConversationSummary(
        **saved.model_dump(include=set(Kept.model_fields)),
        base_model=saved.base_model,
        prompts=len(saved.prompts),
        seats=tuple(seat.label or seat.model for seat in saved.seats),
    )
