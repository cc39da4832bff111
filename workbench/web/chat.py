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
from workbench.playground import Delta, Sampling
from workbench.records import Message, Record

if TYPE_CHECKING:
    from workbench.services import Services

MAX_STREAMS = 128
MAX_MESSAGES = 1000
SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class ChatRequest(Record):
    """What one pane asks."""

    model: str
    """``base``, a run's id, ``RUN@0.5`` or ``RUN/checkpoint-200``."""
    base_model: str
    messages: tuple[Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    sampling: Sampling = Sampling()


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

    @api.post("/chat")
    async def chat(request: ChatRequest) -> StreamingResponse:
        """Stream an answer, one `Delta` an event; a failure on the way is an event named ``problem``."""
        answer = await to_thread.run_sync(_open, services, request, limiter=streams)
        first = await to_thread.run_sync(next, answer, None, limiter=streams)
        events = _events(answer, first, streams)
        return StreamingResponse(events, media_type="text/event-stream", headers=SSE_HEADERS)

    return api


def _open(services: Services, request: ChatRequest) -> Iterator[Delta]:
    return services.playground.stream(request.model, request.base_model, request.messages, request.sampling)


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
