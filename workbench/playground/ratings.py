"""What many votes say: win rates with their uncertainty, and Bradley-Terry ratings. Pure arithmetic.

A tie counts as half a win for either side; a vote that both answers are bad says nothing about which is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from workbench.records import Record

Z95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""
PRIOR = 0.5
"""Half a win and half a loss against an average opponent, so that one who never lost has a finite rating."""
ELO_SCALE = 400 / math.log(10)
ELO_CENTRE = 1000.0


class Vote(Record):
    """One comparison of two panes' answers to one prompt."""

    first: str
    """Whose answer, such as a model id."""
    second: str
    verdict: Literal["first", "second", "tie", "both bad"]


class WinRate(Record):
    """How often one beat the other."""

    name: str
    other: str
    votes: int
    rate: float
    """0 to 1."""
    low: float
    high: float
    """Wilson's 95 % interval (Wilson 1927)."""


class Rating(Record):
    """One contestant's strength on a scale like Elo's: 400 points are odds of ten to one."""

    name: str
    rating: float
    low: float
    high: float
    """95 % interval of the rating, against the average of those rated."""
    votes: int


def win_rate(votes: Iterable[Vote], name: str, other: str) -> WinRate:
    """How often `name` beat `other` in their direct comparisons."""
    scores = [score for vote in votes for score in _scores(vote, name, other)]
    low, high = wilson(sum(scores), len(scores))
    rate = sum(scores) / len(scores) if scores else 0.5
    return WinRate(name=name, other=other, votes=len(scores), rate=rate, low=low, high=high)


def wilson(wins: float, votes: int) -> tuple[float, float]:
    """Bounds of a share with 95 % confidence; everything is possible without votes."""
    if votes == 0:
        return 0.0, 1.0
    share, square = wins / votes, Z95**2 / votes
    centre = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * math.sqrt(share * (1 - share) / votes + square / (4 * votes))
    return max(0.0, centre - half), min(1.0, centre + half)


def bradley_terry(votes: Sequence[Vote], rounds: int = 1000) -> list[Rating]:
    """Ratings under which the votes are likeliest (Bradley and Terry 1952), by Hunter's MM updates (2004, eq. 3)."""
    counted = [vote for vote in votes if vote.verdict != "both bad" and vote.first != vote.second]
    names = sorted({name for vote in counted for name in (vote.first, vote.second)})
    wins = dict.fromkeys(names, PRIOR)
    meetings: dict[str, dict[str, int]] = {name: {} for name in names}
    for vote in counted:
        for name, other in ((vote.first, vote.second), (vote.second, vote.first)):
            wins[name] += _score(vote, name)
            meetings[name][other] = meetings[name].get(other, 0) + 1
    strengths = _strengths(names, wins, meetings, rounds)
    average = sum(math.log(strength) for strength in strengths.values()) / max(1, len(names))
    found = []
    for name, error in zip(names, _standard_errors(names, strengths, meetings), strict=True):
        rating, half = ELO_CENTRE + ELO_SCALE * (math.log(strengths[name]) - average), Z95 * ELO_SCALE * error
        votes_of = sum(meetings[name].values())
        found.append(Rating(name=name, rating=rating, low=rating - half, high=rating + half, votes=votes_of))
    return sorted(found, key=lambda rating: -rating.rating)


def _strengths(
    names: Sequence[str], wins: Mapping[str, float], meetings: Mapping[str, Mapping[str, int]], rounds: int
) -> dict[str, float]:
    strengths = dict.fromkeys(names, 1.0)
    for _ in range(rounds):
        updated = {name: wins[name] / _expected(name, strengths, meetings[name]) for name in names}
        moved = max((abs(updated[name] / strengths[name] - 1) for name in names), default=0.0)
        strengths = updated
        if moved < 1e-10:
            break
    return strengths


def _standard_errors(
    names: Sequence[str], strengths: Mapping[str, float], meetings: Mapping[str, Mapping[str, int]]
) -> list[float]:
    """Of the log-strengths less their average, from the observed information (Hunter 2004, section 5).

    Between two who met n times with odds p it is n·p·(1 - p); the prior counts as one more meeting of each.
    """
    import numpy as np

    information = np.zeros((len(names), len(names)))
    place = {name: index for index, name in enumerate(names)}
    for name in names:
        own = strengths[name]
        information[place[name], place[name]] += 2 * PRIOR * own / (own + 1.0) ** 2
        for other, count in meetings[name].items():
            against = strengths[other]
            weight = count * own * against / (own + against) ** 2
            information[place[name], place[name]] += weight
            information[place[name], place[other]] -= weight
    centred = np.eye(len(names)) - 1 / max(1, len(names))
    covariance = centred @ np.linalg.inv(information) @ centred
    return [math.sqrt(max(0.0, float(value))) for value in np.diag(covariance)]


def _expected(name: str, strengths: dict[str, float], meetings: Mapping[str, int]) -> float:
    own = strengths[name]
    prior = 2 * PRIOR / (own + 1.0)
    return prior + sum(count / (own + strengths[other]) for other, count in meetings.items())


def _scores(vote: Vote, name: str, other: str) -> list[float]:
    return [_score(vote, name)] if {vote.first, vote.second} == {name, other} and vote.verdict != "both bad" else []


def _score(vote: Vote, name: str) -> float:
    if vote.verdict == "tie":
        return 0.5
    return 1.0 if name == (vote.first if vote.verdict == "first" else vote.second) else 0.0
