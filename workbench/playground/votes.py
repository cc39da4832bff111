"""Votes of blind comparisons: kept a line each under the home, counted, and handed out as preference data.

The file is only ever appended to, by the process that owns the home; everything else is read from it again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import orjson
from pydantic import Field, ValidationError

from workbench.home import Home
from workbench.playground.ratings import Rating, Vote, WinRate, bradley_terry, win_rate
from workbench.playground.records import Sampling
from workbench.protocol.model_ids import BASE
from workbench.records import Record
from workbench.records.datasets import Message

Verdict = Literal["first", "second", "tie", "both bad"]


class Answerer(Record):
    """One who is asked, and how."""

    model: str
    """A model id, or the name of a model of another server."""
    base_model: str
    endpoint: str = ""
    """Address of another server; empty for our engine."""
    label: str = Field("", max_length=300)
    messages: tuple[Message, ...] = Field(min_length=1, max_length=1000)
    sampling: Sampling = Sampling()

    @property
    def name(self) -> str:
        """What its votes are counted under: the same wherever it sat."""
        if self.endpoint:
            return f"{self.endpoint}|{self.model}"
        return self.base_model if self.model == BASE else self.model


class GivenAnswer(Record):
    """One side of a vote: who answered what."""

    by: Answerer
    text: str
    tokens: int
    seconds: float
    finish_reason: str | None = None
    adapter_hash: str | None = None
    cut_turns: int = 0
    """The oldest turns of the conversation, left out where it was longer than the context."""


class CastVote(Record):
    """One verdict with all that it was about."""

    id: str
    time: float
    """Unix time."""
    first: GivenAnswer
    """What was shown as A."""
    second: GivenAnswer
    verdict: Verdict

    @property
    def counted(self) -> Vote:
        """As the arithmetic takes it."""
        return Vote(first=self.first.by.name, second=self.second.by.name, verdict=self.verdict)


class Contestant(Record):
    """One whom votes speak of."""

    name: str
    label: str
    base_model: str


class Standing(Record):
    """What the votes say."""

    votes: int
    ties: int
    both_bad: int
    contestants: tuple[Contestant, ...]
    ratings: tuple[Rating, ...]
    pairs: tuple[WinRate, ...]
    """Each pair that met, the stronger one named first."""


class Preferences(Record):
    """How votes become rows of a preference dataset."""

    rows: int
    ties: int
    both_bad: int


class VoteBox:
    """The votes of a home; safe to use from several threads of its owner."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._read: tuple[int, list[CastVote]] = (0, [])

    @property
    def file(self) -> Path:
        """A vote a line."""
        return self._home.votes / "votes.jsonl"

    def cast(self, vote: CastVote) -> None:
        """Keep `vote`; it has reached the disk when this returns."""
        with self._lock, self.file.open("ab+") as file:
            begun = file.seek(0, os.SEEK_END)
            if begun and not _ends_a_line(self.file):
                file.write(b"\n")  # a line that was cut off in the middle stays alone
            file.write(vote.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def votes(self, pair: Sequence[str] = (), base_model: str = "") -> list[CastVote]:
        """The votes in their order: of all, of those two alone, or over one base model. Cut-off lines are left out."""
        wanted = set(pair)
        return [
            vote
            for vote in self._all()
            if (not wanted or {vote.first.by.name, vote.second.by.name} == wanted)
            and base_model in ("", vote.first.by.base_model)
        ]

    def _all(self) -> list[CastVote]:
        with self._lock:
            size = self.file.stat().st_size if self.file.exists() else 0
            if self._read[0] != size:
                self._read = (size, list(_read(self.file)) if size else [])
            return self._read[1]


def standing(votes: Sequence[CastVote]) -> Standing:
    """Ratings and win rates after `votes`."""
    known: dict[str, Contestant] = {}
    for vote in votes:
        for side in (vote.first.by, vote.second.by):
            known[side.name] = Contestant(name=side.name, label=side.label or side.model, base_model=side.base_model)
    counted = [vote.counted for vote in votes]
    ratings = bradley_terry(counted)
    order = [rating.name for rating in ratings]
    rates = (win_rate(counted, name, other) for name, other in combinations(order, 2))
    return Standing(
        votes=len(votes),
        ties=sum(vote.verdict == "tie" for vote in votes),
        both_bad=sum(vote.verdict == "both bad" for vote in votes),
        contestants=tuple(known.values()),
        ratings=tuple(ratings),
        pairs=tuple(rate for rate in rates if rate.votes),
    )


def preferences(votes: Sequence[CastVote]) -> Preferences:
    """What `preference_rows` would make of `votes`."""
    return Preferences(
        rows=sum(1 for _ in preference_rows(votes)),
        ties=sum(vote.verdict == "tie" for vote in votes),
        both_bad=sum(vote.verdict == "both bad" for vote in votes),
    )


def preference_rows(votes: Sequence[CastVote]) -> Iterator[bytes]:
    """A line of JSON for each vote that prefers one answer: prompt, chosen and rejected, each a list of turns.

    Ties and “both bad” prefer none and are left out. Where the two had different system prompts, none is written.
    """
    for vote in votes:
        if vote.verdict not in ("first", "second"):
            continue
        better, worse = (vote.first, vote.second) if vote.verdict == "first" else (vote.second, vote.first)
        prompt = better.by.messages
        if prompt != worse.by.messages:
            prompt = tuple(message for message in prompt if message.role != "system")
        row = {
            "prompt": [{"role": message.role, "content": message.content} for message in prompt],
            "chosen": [{"role": "assistant", "content": better.text}],
            "rejected": [{"role": "assistant", "content": worse.text}],
        }
        yield orjson.dumps(row) + b"\n"


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path) -> Iterator[CastVote]:
    for line in path.read_bytes().splitlines():
        try:
            yield CastVote.model_validate_json(line)
        except ValidationError:
            continue
