"""One answer over HTTP, streamed or in one piece: from the row's events to what a client reads.

A connection that closes ends its row: the events are a generator, and leaving it cancels. How chunks and answers look
is the subclasses' affair: `chat` and `text`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from workbench.engine.answers import Answers, Begun
from workbench.engine.bases import Bases
from workbench.engine.row_events import Broke, Ended, ReadSome, RowEvent, TokenLikelihood, Waiting, Wrote
from workbench.errors import WorkbenchError
from workbench.protocol.chat import GenerationRequest, StreamPhase
from workbench.protocol.refusals import error_answer

PHASE_SECONDS = 0.25
"""How often a stream that waits for its model tells the phase."""
ALIVE_SECONDS = 1.0
"""How often a stream says again what it waits for."""
DISCONNECT_SECONDS = 0.5
"""How often an answer that is not streamed looks whether its reader is still there."""


class Generation(ABC):
    """One request and its answer."""

    id_prefix: ClassVar[str]

    def __init__(self, request: GenerationRequest, answers: Answers, bases: Bases) -> None:
        self._request = request
        self._answers = answers
        self._bases = bases
        self._reference = answers.check(request.model, request.base_model)
        self._head: dict[str, Any] = {
            "id": f"{self.id_prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": request.model,
        }

    @abstractmethod
    def opening(self, begun: Begun) -> BaseModel:
        """The chunk that comes before any text."""

    @abstractmethod
    def wrote(self, text: str, likelihood: TokenLikelihood | None) -> BaseModel:
        """The chunk of one more token."""

    @abstractmethod
    def closing(self, begun: Begun, ended: Ended) -> list[BaseModel]:
        """The chunks that follow the text."""

    @abstractmethod
    def whole(self, text: str, likelihoods: Sequence[TokenLikelihood], begun: Begun, ended: Ended) -> BaseModel:
        """The answer in one piece."""

    def decode(self, token: int) -> str:
        """A token's own text."""
        return str(self._bases.tokenizer(self._reference).decode([token]))

    def stream(self) -> Response:
        """The answer as server-sent events."""
        return EventSourceResponse(self._server_events(), ping=10, sep="\n")

    async def gather(self, http: Request) -> Response:
        """The answer in one piece; empty when the reader has gone."""
        text = ""
        likelihoods: list[TokenLikelihood] = []
        begun: Begun | None = None
        async with contextlib.aclosing(self._events()) as events:
            async for event in _while_connected(events, http):
                match event:
                    case Begun():
                        begun = event
                    case Wrote():
                        text += event.text
                        likelihoods += [event.likelihood] if event.likelihood else []
                    case Ended():
                        assert begun is not None
                        whole = self.whole(text, likelihoods, begun, event)
                        return JSONResponse(whole.model_dump(mode="json"))
        return Response(status_code=499)

    async def _events(self) -> AsyncGenerator[RowEvent | StreamPhase | Begun, None]:
        """Everything that happens, from the loading of the base model to the end; raises `WorkbenchError`."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[RowEvent] = asyncio.Queue()

        def listen(event: RowEvent) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the engine is going down
                loop.call_soon_threadsafe(heard.put_nowait, event)

        beginning = asyncio.create_task(asyncio.to_thread(self._answers.begin, self._request, listen))
        try:
            async for phase in self._phases(beginning):
                yield phase
            yield await beginning
            async for event in _repeated_while_waiting(heard):
                if isinstance(event, Broke):
                    raise event.error
                yield event
                if isinstance(event, Ended):
                    return
        finally:
            beginning.add_done_callback(_cancel_begun)

    async def _phases(self, beginning: asyncio.Task[Begun]) -> AsyncGenerator[StreamPhase, None]:
        """What the base model is busy with until the answer has begun, told when it changes."""
        told: StreamPhase | None = None
        told_at = 0.0
        while not beginning.done():
            await asyncio.wait({beginning}, timeout=PHASE_SECONDS)
            if time.monotonic() - told_at > ALIVE_SECONDS:
                told = None
            for model in self._bases.models():
                phase = StreamPhase(phase=model.phase, detail=model.detail, done=model.done)
                if model.reference == self._reference and phase != told and not beginning.done():
                    told, told_at = phase, time.monotonic()
                    yield phase

    async def _server_events(self) -> AsyncGenerator[ServerSentEvent, None]:
        begun: Begun | None = None
        async with contextlib.aclosing(self._events()) as events:
            try:
                async for event in events:
                    match event:
                        case StreamPhase():
                            yield ServerSentEvent(comment=event.model_dump_json())
                        case Waiting():
                            phase = StreamPhase(phase="waiting", detail="in the queue", position=event.position)
                            yield ServerSentEvent(comment=phase.model_dump_json())
                        case ReadSome():
                            phase = StreamPhase(phase="reading the prompt", done=event.done)
                            yield ServerSentEvent(comment=phase.model_dump_json())
                        case Begun():
                            begun = event
                            yield _server_event(self.opening(event))
                        case Wrote():
                            yield _server_event(self.wrote(event.text, event.likelihood))
                        case Ended():
                            assert begun is not None
                            for chunk in self.closing(begun, event):
                                yield _server_event(chunk)
            except WorkbenchError as error:
                yield ServerSentEvent(data=error_answer(error).model_dump_json())
                return
        yield ServerSentEvent(data="[DONE]")


def _server_event(chunk: BaseModel) -> ServerSentEvent:
    """OpenAI's clients want finish_reason named even when there is none yet; nothing else that is empty is sent."""
    data = chunk.model_dump(mode="json", exclude_none=True)
    for choice in data.get("choices", ()):
        choice.setdefault("finish_reason", None)
    return ServerSentEvent(data=json.dumps(data, ensure_ascii=False))


async def _repeated_while_waiting(heard: asyncio.Queue[RowEvent]) -> AsyncGenerator[RowEvent, None]:
    """What is heard; while nothing is written, the last of it again from time to time.

    A reader that has gone is noticed when something is sent to it.
    """
    last: RowEvent | None = None
    upcoming = asyncio.ensure_future(heard.get())
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=ALIVE_SECONDS)
            if done:
                last = upcoming.result()
                upcoming = asyncio.ensure_future(heard.get())
                yield last
            elif isinstance(last, Waiting | ReadSome):
                yield last
    finally:
        upcoming.cancel()


def _cancel_begun(beginning: asyncio.Task[Begun]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result().cancel()


async def _while_connected(events: AsyncGenerator[Any, None], http: Request) -> AsyncGenerator[Any, None]:
    """The events, as long as somebody waits for the answer."""
    upcoming: asyncio.Future[Any] | None = None
    looked = time.monotonic()
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(events, None))
            done, _ = await asyncio.wait({upcoming}, timeout=DISCONNECT_SECONDS)
            if time.monotonic() - looked >= DISCONNECT_SECONDS:
                looked = time.monotonic()
                if await http.is_disconnected():
                    return
            if done:
                event = upcoming.result()
                if event is None:
                    return
                upcoming = None
                yield event
    finally:
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upcoming
