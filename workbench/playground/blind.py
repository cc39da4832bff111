"""Blind comparisons: two of the chosen ones answer, nobody outside this process knows who is who until the vote.

Both answers are held back until both are complete: the pace at which an answer appears would tell who writes it.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from random import SystemRandom

from pydantic import Field

from workbench.errors import WorkbenchError
from workbench.playground.records import PaneChoice
from workbench.playground.service import Playground
from workbench.playground.votes import Answerer, CastVote, GivenAnswer, Verdict, VoteBox
from workbench.records import Record

MOST_OPEN = 200
"""Comparisons without a vote that are remembered; the oldest is forgotten first."""
BEAT_SECONDS = 0.5
"""How often something is said while nothing happens, so that a reader who went away is missed."""
LOADING = {"starting", "loading model", "fetching model"}
"""What may be said of an answer on its way: the base model is the same for both."""


class BlindRequest(Record):
    """Who may be drawn, each with the conversation it would answer."""

    contestants: tuple[Answerer, ...] = Field(min_length=1, max_length=8)


class BlindEvent(Record):
    """What is told of a comparison before its vote."""

    loading: bool = False
    """Whether the base model is still on its way."""
    first: str | None = None
    """The answer that is shown as A; both come at once, in the last event."""
    second: str | None = None


@dataclass
class _Open:
    """A comparison without a vote."""

    id: str
    sides: tuple[Answerer, Answerer]
    answers: tuple[GivenAnswer, GivenAnswer] | None = None


Told = queue.SimpleQueue[BlindEvent | WorkbenchError | tuple[int, GivenAnswer]]
"""What the threads of the two sides say."""


class BlindComparisons:
    """Draws pairs, lets them answer, takes votes."""

    def __init__(self, playground: Playground, box: VoteBox) -> None:
        self._playground = playground
        self._box = box
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.Lock()
        self._chance = SystemRandom()

    def begin(self, request: BlindRequest) -> str:
        """Draw two of the contestants, in an order of chance; the id says nothing of either.

        Raises `WorkbenchError` when there are not two different ones.
        """
        different = {contestant.name: contestant for contestant in request.contestants}
        if len(different) < 2:
            raise WorkbenchError(
                "A blind comparison needs two who differ.", remedy="Choose another adapter, or the base model."
            )
        first, second = self._chance.sample(list(different.values()), 2)
        found = _Open(secrets.token_hex(8), (first, second))
        with self._lock:
            self._open[found.id] = found
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return found.id

    def answers(self, id: str) -> Generator[BlindEvent, None, None]:
        """Let both answer; closing the generator ends both. Raises `WorkbenchError` when one of them cannot."""
        comparison = self._get(id)
        told: Told = queue.SimpleQueue()
        stop = threading.Event()
        for side, by in enumerate(comparison.sides):
            threading.Thread(target=self._ask, args=(side, by, stop, told), daemon=True).start()
        found: dict[int, GivenAnswer] = {}
        try:
            while len(found) < 2:
                event = _next(told)
                if isinstance(event, WorkbenchError):
                    raise event
                if isinstance(event, BlindEvent):
                    yield event
                else:
                    found[event[0]] = event[1]
            comparison.answers = (found[0], found[1])
            yield BlindEvent(first=found[0].text, second=found[1].text)
        finally:
            stop.set()

    def vote(self, id: str, verdict: Verdict) -> CastVote:
        """Keep the verdict, and tell who was who. Raises `WorkbenchError` before both have answered."""
        with self._lock:
            comparison = self._found(id)
            if comparison.answers is None:
                raise WorkbenchError("Both have not answered yet.", remedy="Wait for both answers, then vote.")
            del self._open[id]
        first, second = comparison.answers
        vote = CastVote(id=id, time=time.time(), first=first, second=second, verdict=verdict)
        self._box.cast(vote)
        return vote

    def _get(self, id: str) -> _Open:
        with self._lock:
            return self._found(id)

    def _found(self, id: str) -> _Open:
        if id not in self._open:
            raise WorkbenchError("This comparison is over, or was forgotten.", remedy="Ask again.")
        return self._open[id]

    def _ask(self, side: int, by: Answerer, stop: threading.Event, told: Told) -> None:
        """One side's whole answer, in a thread of its own."""
        try:
            told.put((side, self._whole(by, stop, told)))
        except WorkbenchError as error:
            told.put(error)

    def _whole(self, by: Answerer, stop: threading.Event, told: Told) -> GivenAnswer:
        pane = PaneChoice(id=by.model, label=by.label, base_model=by.base_model, endpoint=by.endpoint)
        stream = self._playground.stream(pane, by.base_model, by.messages, by.sampling)
        text, last = "", None
        try:
            for delta in stream:
                if stop.is_set():
                    raise WorkbenchError("The comparison was stopped.")
                if delta.phase in LOADING and not text:
                    told.put(BlindEvent(loading=True))
                text += delta.text
                last = delta
        finally:
            stream.close()
        return GivenAnswer(
            by=by,
            text=text.strip(),
            tokens=last.tokens if last else 0,
            seconds=last.seconds if last else 0.0,
            finish_reason=last.finish_reason if last else None,
            adapter_hash=last.adapter_hash if last else None,
            cut_turns=last.facts.cut_turns if last and last.facts else 0,
        )


def _next(told: Told) -> BlindEvent | WorkbenchError | tuple[int, GivenAnswer]:
    try:
        return told.get(timeout=BEAT_SECONDS)
    except queue.Empty:
        return BlindEvent()
