"""Chat completions over HTTP: a row's events become OpenAI's chunks, streamed or gathered into one answer.

A connection that closes ends its row: the event stream is a generator, and leaving it cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from workbench.engine.answers import Answers, Begun
from workbench.engine.bases import Bases
from workbench.engine.row_events import Broke, Ended, RowEvent, TokenLikelihood, Waiting, Wrote
from workbench.errors import WorkbenchError
from workbench.protocol.chat import (
    AnswerChoice,
    AnswerMessage,
    ChatAnswer,
    ChatChunk,
    ChatRequest,
    ChoiceLogprobs,
    ChunkChoice,
    ChunkDelta,
    StreamPhase,
    TokenLogprob,
    TopLogprob,
)
from workbench.protocol.refusals import error_answer

PHASE_SECONDS = 0.25
"""How often a stream that waits for its model tells the phase."""
DISCONNECT_SECONDS = 0.5
"""How often an answer that is not streamed looks whether its reader is still there."""


class Conversation:
    """One request and its answer."""

    def __init__(self, request: ChatRequest, answers: Answers, bases: Bases) -> None:
        self._request = request
        self._answers = answers
        self._bases = bases
        self._reference = answers.check(request)
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

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
                        return self._whole(begun, text, likelihoods, event)
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
            while True:
                event = await heard.get()
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
        while not beginning.done():
            await asyncio.wait({beginning}, timeout=PHASE_SECONDS)
            for model in self._bases.models():
                phase = StreamPhase(phase=model.phase, detail=model.detail, done=model.done)
                if model.reference == self._reference and phase != told and not beginning.done():
                    told = phase
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
                        case Begun():
                            begun = event
                            yield self._chunk(ChunkDelta(role="assistant", content=""))
                        case Wrote():
                            yield self._chunk(ChunkDelta(content=event.text), self._logprobs([event.likelihood]))
                        case Ended():
                            assert begun is not None
                            for last in self._last_chunks(begun, event):
                                yield last
            except WorkbenchError as error:
                yield ServerSentEvent(data=error_answer(error).model_dump_json())
                return
        yield ServerSentEvent(data="[DONE]")

    def _chunk(self, delta: ChunkDelta, logprobs: ChoiceLogprobs | None = None, **more: Any) -> ServerSentEvent:
        choice = ChunkChoice(delta=delta, logprobs=logprobs, finish_reason=more.pop("finish_reason", None))
        return self._event(ChatChunk(**self._head(), choices=(choice,), **more))

    def _last_chunks(self, begun: Begun, ended: Ended) -> list[ServerSentEvent]:
        last = [self._chunk(ChunkDelta(), finish_reason=ended.reason, workbench=begun.facts(ended))]
        if self._request.stream_options.include_usage:
            last.append(self._event(ChatChunk(**self._head(), usage=begun.usage(ended.tokens))))
        return last

    def _event(self, chunk: ChatChunk) -> ServerSentEvent:
        data = chunk.model_dump(mode="json", exclude_none=True)
        for choice in data["choices"]:
            choice.setdefault("finish_reason", None)
        return ServerSentEvent(data=json.dumps(data, ensure_ascii=False))

    def _whole(self, begun: Begun, text: str, likelihoods: Sequence[TokenLikelihood | None], ended: Ended) -> Response:
        choice = AnswerChoice(
            message=AnswerMessage(content=text), logprobs=self._logprobs(likelihoods), finish_reason=ended.reason
        )
        head = {**self._head(), "choices": (choice,), "usage": begun.usage(ended.tokens)}
        answer = ChatAnswer(**head, workbench=begun.facts(ended))
        return JSONResponse(answer.model_dump(mode="json"))

    def _head(self) -> dict[str, Any]:
        return {"id": self._id, "created": self._created, "model": self._request.model}

    def _logprobs(self, likelihoods: Sequence[TokenLikelihood | None]) -> ChoiceLogprobs | None:
        if not self._request.logprobs:
            return None
        decode = self._bases.tokenizer(self._reference).decode
        return ChoiceLogprobs(content=tuple(_likelihood(found, decode) for found in likelihoods if found))


def _likelihood(found: TokenLikelihood, decode: Any) -> TokenLogprob:
    def named(token: int, logprob: float) -> dict[str, Any]:
        text = decode([token])
        return {"token": text, "logprob": logprob, "bytes": tuple(text.encode())}

    return TokenLogprob(
        **named(found.token, found.logprob), top_logprobs=tuple(TopLogprob(**named(*pair)) for pair in found.top)
    )


def _cancel_begun(beginning: asyncio.Task[Begun]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result().cancel()


async def _while_connected(events: AsyncGenerator[Any, None], http: Request) -> AsyncGenerator[Any, None]:
    """The events, as long as somebody reads the answer."""
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(events, None))
            done, _ = await asyncio.wait({upcoming}, timeout=DISCONNECT_SECONDS)
            if done:
                event = upcoming.result()
                if event is None:
                    return
                upcoming = None
                yield event
            elif await http.is_disconnected():
                return
    finally:
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upcoming
