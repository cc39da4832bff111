"""The arithmetic of a range test: which rates, when it ends, and what curves of known shape suggest."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from workbench.runs.range_curve import ADAPTER_RATES, RangePlan, has_diverged, judge, plan, smoothed

WHOLE_TEST = RangePlan(low=1e-6, high=1e-1, steps=100)
RATES = [WHOLE_TEST.rate(step) for step in range(100)]


def bowl(lowest_at: float, *, start: float = 3.0, depth: float = 1.0, noise: float = 0.0) -> list[float]:
    """Flat, then down within one factor of ten to `lowest_at`, then up steeply."""
    drawn = random.Random(0)
    low = math.log10(lowest_at)
    found = []
    for rate in RATES:
        distance = math.log10(rate) - low
        fallen = depth * max(0.0, 1 + distance) if distance <= 0 else depth - 6 * distance**2
        found.append(start - fallen + drawn.gauss(0, noise))
    return found


def test_rates_climb_by_one_factor_from_end_to_end() -> None:
    assert RATES[0] == pytest.approx(1e-6)
    assert RATES[-1] == pytest.approx(1e-1)
    assert {round(after / before, 9) for before, after in pairwise(RATES)} == {round(1e5 ** (1 / 99), 9)}


@pytest.mark.parametrize(
    ("seconds_a_step", "steps"), [(0.01, 100), (0.6, 100), (1.0, 60), (4.0, 15), (30.0, 12)], ids=str
)
def test_the_whole_range_is_covered_in_a_minute(seconds_a_step: float, steps: int) -> None:
    planned = plan(0.01, seconds_a_step)
    assert planned.repeats is (steps < 60)
    assert (planned.steps, planned.rate(0), planned.rate(steps - 1)) == (steps, *map(pytest.approx, ADAPTER_RATES))


def test_whole_layers_are_tried_with_smaller_rates() -> None:
    assert plan(1.0, 1.0).high < plan(0.02, 1.0).high
    assert plan(1.0, 1.0).low < plan(0.02, 1.0).low


@pytest.mark.parametrize("lowest_at", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_it_suggests_a_tenth_of_where_the_loss_is_lowest(lowest_at: float, noise: float) -> None:
    found = judge(RATES, bowl(lowest_at, noise=noise)).suggestion
    assert found is not None
    assert found.learning_rate == pytest.approx(found.lowest_at / 10, rel=0.05)
    assert lowest_at / 3 < found.lowest_at < lowest_at * 3
    assert found.start_loss == pytest.approx(3.0, abs=0.2)
    assert not found.note


def test_few_rates_suggest_the_same_as_many() -> None:
    """A slow machine takes fewer steps, and smooths over the same stretch of the axis."""
    few = judge(RATES[::5], bowl(1e-3)[::5]).suggestion
    many = judge(RATES, bowl(1e-3)).suggestion
    assert few is not None
    assert many is not None
    assert few.learning_rate == pytest.approx(many.learning_rate, rel=1.0)


def test_a_loss_that_only_flickers_suggests_nothing() -> None:
    drawn = random.Random(1)
    verdicts = [judge(RATES, [3 + drawn.gauss(0, 0.4) for _ in RATES]) for _ in range(100)]
    refused = [verdict.reason for verdict in verdicts if verdict.suggestion is None]
    assert len(refused) >= 95
    assert all("batch to batch" in reason for reason in refused)


def test_a_loss_that_still_falls_says_so() -> None:
    falling = [3 - 0.2 * math.log10(rate / 1e-6) for rate in RATES]
    found = judge(RATES, falling).suggestion
    assert found is not None
    assert "still fell" in found.note
    stopped = judge(RATES, falling, complete=False)
    assert stopped.suggestion is None
    assert "still fell" in stopped.reason


def test_a_loss_that_is_no_number_ends_it_and_is_left_out() -> None:
    course = bowl(1e-3)[:75]
    assert has_diverged([*RATES[:75], RATES[75]], [*course, math.nan])
    assert judge(RATES[:76], [*course, math.nan]) == judge(RATES[:75], course)


def test_it_ends_when_the_loss_has_climbed_by_half() -> None:
    course = bowl(1e-3, noise=0.1)
    ended = next(step for step in range(1, 101) if has_diverged(RATES[:step], course[:step]))
    assert RATES[ended - 1] > 1e-3
    assert smoothed(RATES[:ended], course[:ended])[-1] > 4.5


def test_a_very_small_loss_may_flicker_without_ending_it() -> None:
    assert not has_diverged(RATES[:20], [0.01] * 19 + [0.3])


def test_too_few_rates_suggest_nothing() -> None:
    assert "Too few" in judge(RATES[:3], [3.0, 2.0, 1.0]).reason
