"""A playground whose panes answer what a test says, and fail when it says so."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence

from workbench.playground import Delta, PaneChoice, Sampling
from workbench.protocol.chat import AnswerFacts, Score, ScoredToken
from workbench.records.datasets import Message

Answer = Callable[[str, str], str]
"""From model id and question to the answer; may raise."""


class ScriptedPlayground:
    """Counts who was asked what; `open` lets answers end, which it does from the beginning."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: Counter[tuple[str, str]] = Counter()
        self.at_once = 0
        """Most answers in the making at a moment."""
        self.open = threading.Event()
        self.open.set()
        self.facts: AnswerFacts | None = None
        """What the engine tells with the last chunk of each answer."""
        self.closed = threading.Semaphore(0)
        """Released for each answer that was broken off."""
        self._now = 0
        self._lock = threading.Lock()

    def stream(
        self, pane: PaneChoice, base_model: str | None, messages: Sequence[Message], sampling: Sampling
    ) -> Generator[Delta, None, None]:
        question = messages[-1].content
        with self._lock:
            self.asked[pane.id, question] += 1
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        try:
            text = self.answer(pane.id, question)
            yield Delta(phase="loading adapter", seconds=0.1)
            while not self.open.wait(0.02):
                yield Delta(seconds=0.2)
            yield Delta(text=text, tokens=3, seconds=0.5)
            end = Delta(done=True, tokens=4, seconds=1.0, finish_reason="stop", adapter_hash="3f9ac01be2d4")
            yield end.model_copy(update={"facts": self.facts})
        except GeneratorExit:
            self.closed.release()
            raise
        finally:
            with self._lock:
                self._now -= 1

    def score(
        self,
        pane: PaneChoice,
        base_model: str | None,
        messages: Sequence[Message],
        answer: str,
        other: str | None = "base",
    ) -> Score:
        likelihood = -1.0 if pane.id == "base" else -0.5
        tokens = tuple(ScoredToken(text=word, logprob=likelihood, other_logprob=None) for word in answer.split())
        return Score(
            model=pane.id, other=other, tokens=tokens, nll=-likelihood * len(tokens), other_nll=None, prompt_tokens=5
        )
