"""What the playground page keeps: saved conversations, prompt sets; and what it asks about sampling and effects.

Each route reads, calls one service, and returns its record.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body

from workbench.errors import WorkbenchError
from workbench.playground import Sampling
from workbench.playground.conversations import (
    Conversation,
    Conversations,
    ConversationSummary,
    PromptSet,
    PromptSets,
    SavedConversation,
    SavedPromptSet,
)
from workbench.playground.effect import likely_causes
from workbench.records import Record
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

Name = Annotated[str, Body(embed=True)]


class NewConversation(Record):
    """A conversation and the name to keep it under."""

    name: str
    conversation: Conversation


class ChangedConversation(Record):
    """What a conversation has become since `revision`."""

    revision: int
    conversation: Conversation


class NewPromptSet(Record):
    """Prompts and the name to keep them under."""

    name: str
    prompts: tuple[str, ...]


class ChangedPromptSet(Record):
    """What a prompt set has become since `revision`."""

    revision: int
    prompts: tuple[str, ...]


def router(services: Services) -> APIRouter:
    """The routes of the playground page that ask nobody for an answer."""
    api = APIRouter(prefix="/api", tags=["playground"])
    _conversations(api, Conversations(services.home))
    _prompt_sets(api, PromptSets(services.home))

    @api.get("/chat/fields")
    def fields() -> Any:
        """How answers are sampled: every field's title, help, bounds and default, as a JSON schema's properties."""
        return Sampling.model_json_schema()["properties"]

    @api.get("/chat/effect")
    def effect(model: str) -> list[dict[str, Any]]:
        """Why an adapter that changes nothing may do so, the surest cause first."""
        return [asdict(cause) for cause in likely_causes(services.home, services.runs, model)]

    return api


def _conversations(api: APIRouter, conversations: Conversations) -> None:
    shelf = conversations.shelf

    @api.get("/conversations")
    def every() -> list[ConversationSummary]:
        """The saved conversations, the last changed first."""
        return conversations.list()

    @api.post("/conversations", status_code=201)
    def add(new: NewConversation) -> SavedConversation:
        """Save one under a name."""
        return shelf.add(new.name, new.conversation)

    @api.get("/conversations/{id}")
    def one(id: str) -> SavedConversation:
        """A saved conversation, whole."""
        try:
            return shelf.get(id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error

    @api.put("/conversations/{id}")
    def replace(id: str, changed: ChangedConversation) -> SavedConversation:
        """What it has become."""
        return shelf.replace(id, changed.conversation, changed.revision)

    @api.patch("/conversations/{id}")
    def rename(id: str, name: Name) -> SavedConversation:
        """Call it something else."""
        return shelf.rename(id, name)

    @api.delete("/conversations/{id}", status_code=204)
    def remove(id: str) -> None:
        """Forget it."""
        shelf.remove(id)


def _prompt_sets(api: APIRouter, sets: PromptSets) -> None:
    @api.get("/prompt-sets")
    def every() -> list[SavedPromptSet]:
        """The bundled ones and the user's."""
        return sets.list()

    @api.post("/prompt-sets", status_code=201)
    def add(new: NewPromptSet) -> SavedPromptSet:
        """Save one under a name."""
        return sets.add(new.name, PromptSet(prompts=new.prompts))

    @api.put("/prompt-sets/{id}")
    def replace(id: str, changed: ChangedPromptSet) -> SavedPromptSet:
        """Other prompts under the same name."""
        return sets.replace(id, PromptSet(prompts=changed.prompts), changed.revision)

    @api.patch("/prompt-sets/{id}")
    def rename(id: str, name: Name) -> SavedPromptSet:
        """Call it something else."""
        return sets.rename(id, name)

    @api.delete("/prompt-sets/{id}", status_code=204)
    def remove(id: str) -> None:
        """Forget it."""
        sets.remove(id)
