"""A rate is told where it means something: not of a burst, and of the time in which tokens came alone."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from workbench.playground import Delta
from workbench.playground.speed import LEAST_SECONDS, LEAST_TOKENS, tokens_per_second
from workbench.playground.stream import read_answer
from workbench.protocol.chat import AnswerFacts, ChatChunk, ChunkChoice, ChunkDelta, Usage


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("workbench.playground.stream.time", clock)
    return clock


def answered(clock: Clock, words: int, pause: float, *last: ChatChunk) -> Delta:
    """The account of `words` that come `pause` seconds apart, 3 s after the question and 2 s before the end."""

    def lines() -> Iterator[bytes]:
        clock.now += 3
        for _ in range(words):
            yield f"data: {chunk(ChunkDelta(content='word '))}\n\n".encode()
            clock.now += pause
        clock.now += 2
        for each in last or (ChatChunk(choices=(ChunkChoice(finish_reason="stop"),)),):
            yield f"data: {each.model_dump_json()}\n\n".encode()
        yield b"data: [DONE]\n\n"

    return list(read_answer(httpx.Response(200, content=lines()), clock.now))[-1]


def chunk(delta: ChunkDelta) -> str:
    return ChatChunk(choices=(ChunkChoice(delta=delta),)).model_dump_json()


def test_few_tokens_or_a_short_time_have_no_rate() -> None:
    assert tokens_per_second(2, 0.0) is None
    assert tokens_per_second(5000, LEAST_SECONDS - 0.01) is None
    assert tokens_per_second(LEAST_TOKENS - 1, 60.0) is None
    assert tokens_per_second(LEAST_TOKENS, 1.0) == LEAST_TOKENS


def test_a_burst_has_no_rate_and_steady_writing_has_its_own(clock: Clock) -> None:
    assert answered(clock, 40, 0.0).tokens_per_second is None
    assert answered(clock, 2, 1.0).tokens_per_second is None
    steady = answered(clock, 41, 0.05)
    assert steady.tokens_per_second == pytest.approx(20)
    assert steady.seconds == pytest.approx(3 + 41 * 0.05 + 2)


def test_tokens_that_came_together_are_counted_as_the_end_tells(clock: Clock) -> None:
    facts = AnswerFacts(prompt_tokens=9, tokens=61)
    end = ChatChunk(choices=(ChunkChoice(finish_reason="stop"),), workbench=facts)
    assert answered(clock, 4, 1.0, end).tokens_per_second == pytest.approx(20)
    usage = ChatChunk(usage=Usage(prompt_tokens=9, completion_tokens=31, total_tokens=40))
    ours = end.model_copy(update={"workbench": None})
    assert answered(clock, 4, 1.0, ours, usage).tokens_per_second == pytest.approx(10)
