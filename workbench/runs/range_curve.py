"""The learning-rate range test as arithmetic: which rates are tried, when it ends, what its curve suggests.

After Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3: train for a little while under a
learning rate that climbs step by step, and look where the loss begins to fall and where it comes back up. Rates climb
by one factor a step, since it is their order of magnitude that counts. Knows no torch and no disk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.records import Record

MOST_STEPS = 100
FEWEST_STEPS = 12
"""Fewer make no curve: a slow machine takes these, and longer than a minute."""
ENOUGH_STEPS = 60
"""With fewer, the differences from batch to batch would hide what the rate does: all see the same rows then."""
SECONDS = 60.0

ADAPTER_RATES = (1e-6, 1e-1)
"""Adapters are trained with about 1e-4 to 1e-3, virtual tokens with up to 3e-2."""
BASE_RATES = (1e-7, 1e-2)
"""Whole layers take about a tenth of what an adapter takes."""
_MUCH = 0.1
"""Whoever trains a larger share of the base model is taken to train whole layers."""

_WINDOW_DECADES = 0.5
"""Over how much of the axis losses are smoothed, in factors of ten."""
_FLAT_SHARE = 1 / 4
"""The first of the rates, too small to change anything: their losses tell where it begins, and how batches differ."""
_LEAST_FALL = 0.02
"""Of the loss at the start; a smaller fall says nothing."""
_LEAST_NOISES = 4.0
"""Standard deviations of the smoothed loss that it must fall by: the lowest of many lies about two of them below."""
_SAFETY = 10.0
RULE = "a tenth of the learning rate at which the smoothed loss was lowest"
REASON = (
    "At its lowest the loss is about to come back up: a run stays there for far longer than one step, so it needs room."
)


class RangePlan(Record):
    """The rates that are tried: `steps` of them from `low` to `high`, each larger by the same factor."""

    low: float
    high: float
    steps: int

    @property
    def repeats(self) -> bool:
        """Whether every step sees the same rows."""
        return self.steps < ENOUGH_STEPS

    def rate(self, step: int) -> float:
        """The rate of `step`, counted from 0."""
        return float(self.low * (self.high / self.low) ** (step / (self.steps - 1)))


class Suggestion(Record):
    """The learning rate that a curve suggests."""

    learning_rate: float
    lowest_at: float
    """The rate at which the smoothed loss was lowest."""
    start_loss: float
    lowest_loss: float
    note: str = ""
    """What to know before it is used."""


class Verdict(Record):
    """What a curve says: a suggestion, or why it makes none."""

    suggestion: Suggestion | None = None
    reason: str = ""


def plan(trained_share: float, seconds_a_step: float, seconds: float = SECONDS) -> RangePlan:
    """What fits into `seconds`; `trained_share` is the part of the base model's parameters that is trained."""
    low, high = BASE_RATES if trained_share > _MUCH else ADAPTER_RATES
    fitting = int(seconds / seconds_a_step) if seconds_a_step > 0 else MOST_STEPS
    return RangePlan(low=low, high=high, steps=min(MOST_STEPS, max(FEWEST_STEPS, fitting)))


def smoothed(rates: Sequence[float], losses: Sequence[float]) -> list[float]:
    """An exponential mean without the bias of its start, half a factor of ten wide however many rates there are."""
    weight = 1 - 1 / _window(rates)
    mean = mass = 0.0
    found = []
    for loss in losses:
        mean, mass = weight * mean + (1 - weight) * loss, weight * mass + (1 - weight)
        found.append(mean / mass)
    return found


def has_diverged(rates: Sequence[float], losses: Sequence[float]) -> bool:
    """Whether the smoothed loss has climbed half above its start, and by half a nat at least."""
    if losses and not math.isfinite(losses[-1]):
        return True
    if len(losses) < FEWEST_STEPS // 2:
        return False
    start = _start(losses)
    return smoothed(rates, losses)[-1] > max(1.5 * start, start + 0.5)


def judge(rates: Sequence[float], losses: Sequence[float], *, complete: bool = True) -> Verdict:
    """What the curve suggests; `complete` says that it went on to its end, or until the loss diverged.

    A loss that is no finite number may stand last; it is left out.
    """
    whole = [(rate, loss) for rate, loss in zip(rates, losses, strict=True) if math.isfinite(loss)]
    if len(whole) < FEWEST_STEPS // 2:
        return Verdict(reason="Too few learning rates were tried to see anything.")
    rates, losses = [rate for rate, _ in whole], [loss for _, loss in whole]
    curve, start = smoothed(rates, losses), _start(losses)
    lowest = min(range(len(_flat(losses)), len(curve)), key=curve.__getitem__)
    if start - curve[lowest] < max(_LEAST_FALL * abs(start), _LEAST_NOISES * _noise(rates, losses)):
        return Verdict(reason="The loss did not fall by more than it differs from batch to batch.")
    turned = lowest < len(curve) - 1
    if not turned and not complete:
        return Verdict(reason="It ended while the loss still fell.")
    note = "" if turned else "The loss still fell at the largest rate that was tried; more may do as well."
    suggestion = Suggestion(
        learning_rate=float(f"{rates[lowest] / _SAFETY:.1e}"),
        lowest_at=rates[lowest],
        start_loss=start,
        lowest_loss=curve[lowest],
        note=note,
    )
    return Verdict(suggestion=suggestion)


def _window(rates: Sequence[float]) -> float:
    """Rates within half a factor of ten."""
    if len(rates) < 2 or rates[-1] <= rates[0]:
        return 1.0
    decades = math.log10(rates[-1] / rates[0]) / (len(rates) - 1)
    return max(1.0, _WINDOW_DECADES / decades)


def _start(losses: Sequence[float]) -> float:
    """Where the loss begins: the mean under the smallest rates, which change nothing yet."""
    first = _flat(losses)
    return sum(first) / len(first)


def _flat(losses: Sequence[float]) -> Sequence[float]:
    return losses[: max(3, int(len(losses) * _FLAT_SHARE))]


def _noise(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The standard deviation of the smoothed loss that comes from the batches alone.

    An exponential mean of weight w has (1 - w) / (1 + w) of the variance of what it averages (Roberts 1959).
    """
    flat = _flat(losses)
    mean = sum(flat) / len(flat)
    variance = sum((loss - mean) ** 2 for loss in flat) / (len(flat) - 1)
    weight = 1 - 1 / _window(rates)
    return math.sqrt(variance * (1 - weight) / (1 + weight))
