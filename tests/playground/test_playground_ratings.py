"""Votes become win rates with honest intervals, and ratings that order the contestants rightly."""

from __future__ import annotations

import math
import random

import pytest

from workbench.playground.ratings import ELO_SCALE, Vote, bradley_terry, wilson, win_rate


def votes(first: str, second: str, wins: int, losses: int, ties: int = 0, bad: int = 0) -> list[Vote]:
    verdicts = ["first"] * wins + ["second"] * losses + ["tie"] * ties + ["both bad"] * bad
    return [Vote.model_validate({"first": first, "second": second, "verdict": verdict}) for verdict in verdicts]


def test_the_interval_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0


def test_ties_are_half_and_both_bad_is_nothing() -> None:
    told = win_rate(votes("a", "b", 3, 1, ties=2, bad=4) + votes("a", "c", 0, 9), "a", "b")
    assert told.votes == 6
    assert told.rate == pytest.approx(4 / 6)
    assert win_rate(votes("a", "b", 3, 1), "b", "a").rate == 0.25
    assert win_rate([], "a", "b").rate == 0.5


def test_two_contestants_get_the_odds_of_their_votes() -> None:
    best, worst = bradley_terry(votes("a", "b", 300, 100))
    assert (best.name, worst.name, best.votes) == ("a", "b", 400)
    assert best.rating - worst.rating == pytest.approx(ELO_SCALE * math.log(3), rel=0.02)


def test_ratings_find_the_strengths_that_made_the_votes() -> None:
    true = {"base": 1.0, "small": 2.0, "large": 6.0}
    draw = random.Random(0)
    cast = []
    for first, second in (("base", "small"), ("small", "large"), ("large", "base")):
        for _ in range(2000):
            won = draw.random() < true[first] / (true[first] + true[second])
            cast += votes(first, second, int(won), int(not won))
    found = {rating.name: rating.rating for rating in bradley_terry(cast)}
    assert list(found) == ["large", "small", "base"]
    assert found["large"] - found["base"] == pytest.approx(ELO_SCALE * math.log(6), rel=0.08)


def test_who_never_lost_has_a_finite_rating() -> None:
    ratings = bradley_terry(votes("a", "b", 5, 0))
    assert all(math.isfinite(rating.rating) for rating in ratings)
    assert bradley_terry([]) == []
