"""The chat under /api/chat: answers of the base model or an adapter, streamed as server-sent events.

A closed connection ends the generation. Knows nothing of models; the playground does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field

from workbench.errors import WorkbenchError
from workbench.playground import Delta, PaneChoice, Sampling
from workbench.protocol.chat import Comparison, Score
from workbench.protocol.model_ids import BASE
from workbench.records import Record
from workbench.records.datasets import Message

if TYPE_CHECKING:
    from workbench.services import Services

MAX_STREAMS = 128
MAX_MESSAGES = 1000
SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Asked(Record):
    """Who is asked, and on which conversation."""

    model: str
    """``base``, a run's id, ``RUN@0.5`` or ``RUN/checkpoint-200``; at an endpoint one of its own model ids."""
    base_model: str = ""
    endpoint: str = ""
    """Another server's base address, such as ``http://127.0.0.1:8000/v1``; empty for our engine."""
    messages: tuple[Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)

    def pane(self) -> PaneChoice | str:
        """As the playground takes it."""
        if not self.endpoint:
            return self.model
        return PaneChoice(id=self.model, label=self.model, base_model=self.base_model, endpoint=self.endpoint)


class ChatRequest(Asked):
    """What one pane asks."""

    sampling: Sampling = Sampling()


class CompareRequest(Asked):
    """Asks for the distance of the next-token distributions of two models."""

    other: str = BASE


class ScoreRequest(Asked):
    """Asks how likely a given answer is."""

    other: str | None = BASE
    answer: str = Field(min_length=1)


def router(services: Services) -> APIRouter:
    """The routes of the playground."""
    api = APIRouter(prefix="/api")
    streams = CapacityLimiter(MAX_STREAMS)

    @api.get("/chat/choices")
    def choices(base_model: str | None = None) -> Any:
        """Who can answer: base models and the adapters of runs."""
        return services.playground.choices(base_model)

    @api.get("/engine")
    def engine() -> Any:
        """What the engine is busy with; asking never starts it."""
        return services.engine.status()

    @api.post("/chat/compare")
    def compare(request: CompareRequest) -> Comparison:
        """How far a model stands from another, the base if not said, on this very prompt."""
        known = request.base_model or None
        return services.playground.compare(request.pane(), known, request.messages, request.other)

    @api.post("/chat/score")
    def score(request: ScoreRequest) -> Score:
        """Each token of a given answer with its log-probability under two models; the base is one if not said."""
        known = request.base_model or None
        return services.playground.score(request.pane(), known, request.messages, request.answer, request.other)

    @api.post("/chat")
    async def chat(request: ChatRequest) -> StreamingResponse:
        """Stream an answer, one `Delta` an event; a failure on the way is an event named ``problem``."""
        answer = await to_thread.run_sync(_open, services, request, limiter=streams)
        first = await to_thread.run_sync(next, answer, None, limiter=streams)
        events = _events(answer, first, streams)
        return StreamingResponse(events, media_type="text/event-stream", headers=SSE_HEADERS)

    return api


def _open(services: Services, request: ChatRequest) -> Iterator[Delta]:
    return services.playground.stream(request.pane(), request.base_model or None, request.messages, request.sampling)


async def _events(answer: Iterator[Delta], first: Delta | None, streams: CapacityLimiter) -> AsyncIterator[str]:
    delta = first
    try:
        while delta is not None:
            yield f"data: {delta.model_dump_json()}\n\n"
            delta = await to_thread.run_sync(next, answer, None, limiter=streams)
    except WorkbenchError as error:
        yield f"event: problem\ndata: {json.dumps([asdict(problem) for problem in error.problems])}\n\n"
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(getattr(answer, "close", lambda: None), limiter=streams)
