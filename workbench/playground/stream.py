"""Reading one streamed answer of an OpenAI-compatible endpoint: ours, or a server that stands in its place."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.playground.records import Delta
from workbench.playground.speed import tokens_per_second
from workbench.protocol.chat import AnswerFacts, ChatChunk, StreamPhase
from workbench.protocol.refusals import error_from

DONE = "[DONE]"
SILENCE_SECONDS = 60.0
"""An endpoint says something at least every ten seconds, if only a comment."""


def read_answer(response: httpx.Response, asked: float) -> Iterator[Delta]:
    """The deltas of a streamed answer that was asked for at `asked` (monotonic seconds).

    Raises `WorkbenchError` for a refusal, and when the stream breaks off before its end.
    """
    if response.is_error:
        raise error_from(response.read(), response.status_code)
    account = _Account(asked)
    for line in response.iter_lines():
        if line.startswith(":"):
            yield from account.comment(line[1:].strip())
        elif line.startswith("data:"):
            data = line[5:].strip()
            if data == DONE:
                break
            yield from account.chunk(data)
    if account.last is None:
        raise WorkbenchError("The answer broke off before its end.", remedy="Send the message again.")
    yield account.last


class _Account:
    """What is known of the answer so far."""

    def __init__(self, asked: float) -> None:
        self._asked = asked
        self._tokens = 0
        self._first: float | None = None
        self._latest = 0.0
        self.last: Delta | None = None

    def comment(self, text: str) -> Iterator[Delta]:
        try:
            phase = StreamPhase.model_validate_json(text)
        except ValidationError:
            return  # a ping, or another server's
        words = phase.phase if phase.position is None else f"{phase.phase}, place {phase.position}"
        words += f": {phase.detail}" if phase.detail else ""
        yield Delta(phase=words, phase_done=phase.done, seconds=self._seconds())

    def chunk(self, data: str) -> Iterator[Delta]:
        try:
            chunk = ChatChunk.model_validate_json(data)
        except ValidationError as error:
            raise WorkbenchError(f"The endpoint sent what is no chunk: {data[:200]}") from error
        if not chunk.choices and chunk.usage is None:
            raise error_from(data, 200)
        if chunk.usage is not None:
            self._tokens = chunk.usage.completion_tokens
            if self.last is not None:
                exact = {"tokens": self._tokens, "tokens_per_second": self._speed(self._tokens)}
                self.last = self.last.model_copy(update=exact)
        for choice in chunk.choices:
            if choice.delta.content:
                self._tokens += 1
                self._latest = self._seconds()
                self._first = self._latest if self._first is None else self._first
                yield Delta(
                    text=choice.delta.content,
                    tokens=self._tokens,
                    seconds=self._latest,
                    first_token_seconds=self._first,
                    tokens_per_second=self._speed(self._tokens),
                )
            if choice.finish_reason is not None:
                self._finish(choice.finish_reason, chunk)
            elif chunk.workbench is not None:
                yield Delta(seconds=self._seconds(), adapter_hash=_hash(chunk.workbench), facts=chunk.workbench)

    def _finish(self, reason: str, chunk: ChatChunk) -> None:
        facts = chunk.workbench
        tokens = facts.tokens if facts and facts.tokens else self._tokens
        self.last = Delta(
            done=True,
            tokens=tokens,
            seconds=self._seconds(),
            first_token_seconds=self._first,
            tokens_per_second=self._speed(tokens),
            finish_reason=reason,
            adapter_hash=_hash(facts),
            facts=facts,
        )

    def _speed(self, tokens: int) -> float | None:
        """Of all `tokens` but the first, up to the latest: the end may have waited for the distance."""
        return None if self._first is None else tokens_per_second(tokens - 1, self._latest - self._first)

    def _seconds(self) -> float:
        return time.monotonic() - self._asked


def _hash(facts: AnswerFacts | None) -> str | None:
    return facts.adapter.hash if facts and facts.adapter else None
