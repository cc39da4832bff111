"""Whether a difference between two models on the same prompts is more than luck: the paired bootstrap.

Prompts are drawn anew with replacement, the same for both models, and the figures of both compared each time
(Koehn 2004, “Statistical significance tests for machine translation evaluation”, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from workbench.playground.metrics import Metric
from workbench.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = NDArray[np.float64]

RESAMPLES = 10_000
SEED = 12_345
FEWEST = 5
"""With fewer prompts nothing is said."""
DRAWN_AT_ONCE = 2_000_000
"""Prompts that are drawn at once: bounds the memory."""


class Difference(Record):
    """How far a model is from the base in one metric."""

    metric: str
    pane: int
    prompts: int
    """Answered by both, with all that the metric needs."""
    value: float
    """Of the model less that of the base."""
    low: float
    high: float
    """95 % of the resampled differences lie between these."""
    p: float
    """Two-sided: twice the smaller share of resamples in which the model was no better, or no worse."""
    better: bool | None
    """Whether the interval lies wholly on one side of nothing, and on which; None when it does not."""


def differences(
    metrics: Sequence[Metric], base: Sequence[Table], other: Sequence[Table], pane: int, resamples: int = RESAMPLES
) -> list[Difference]:
    """Each metric's difference between two models.

    `base` and `other` hold a table a metric, (prompts, statistics), the same prompts on both sides; a row of NaN has
    no part. Metrics that miss the same prompts share their resamples. Metrics with too few prompts are left out.
    """
    import numpy as np

    groups: dict[bytes, list[int]] = {}
    masks = {}
    for index in range(len(metrics)):
        mask = ~(np.isnan(base[index]).any(axis=1) | np.isnan(other[index]).any(axis=1))
        if mask.sum() >= FEWEST:
            masks[mask.tobytes()] = mask
            groups.setdefault(mask.tobytes(), []).append(index)
    found: dict[int, Difference] = {}
    for key, indices in groups.items():
        tables = [side[index][masks[key]] for index in indices for side in (base, other)]
        figures = _resampled(tables, resamples)
        for place, index in enumerate(indices):
            metric, one, two = metrics[index], tables[2 * place], tables[2 * place + 1]
            value = float(metric.figure(two.sum(axis=0)) - metric.figure(one.sum(axis=0)))
            drawn = metric.figure(figures[2 * place + 1]) - metric.figure(figures[2 * place])
            found[index] = _difference(metric, pane, len(one), value, drawn)
    return [found[index] for index in sorted(found)]


def _resampled(tables: Sequence[Table], resamples: int) -> list[Table]:
    """The sums of each table over resampled rows, (resamples, statistics); the same rows for all tables."""
    import numpy as np

    joined = np.concatenate(tables, axis=1)
    sums = np.concatenate([weights @ joined for weights in _draws(len(joined), resamples)])
    ends = np.cumsum([table.shape[1] for table in tables])
    return np.split(sums, ends[:-1], axis=1)


def _draws(rows: int, resamples: int) -> Iterator[Table]:
    """How often each row is drawn, (some resamples, rows), until there are `resamples`."""
    import numpy as np

    chance = np.random.default_rng(SEED)
    at_once = max(1, DRAWN_AT_ONCE // rows)
    for begun in range(0, resamples, at_once):
        some = min(at_once, resamples - begun)
        drawn = chance.integers(0, rows, (some, rows)) + np.arange(some)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=some * rows).reshape(some, rows).astype(float)


def _difference(metric: Metric, pane: int, prompts: int, value: float, drawn: Table) -> Difference:
    import numpy as np

    low, high = (float(bound) for bound in np.quantile(drawn, [0.025, 0.975]))
    # One more on both sides keeps p above 0, which no number of resamples can show (Davison and Hinkley 1997, 4.2).
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(drawn) + 1))
    higher = True if low > 0 else False if high < 0 else None
    better = None if higher is None else higher == metric.higher_is_better
    return Difference(
        metric=metric.kind, pane=pane, prompts=prompts, value=value, low=low, high=high, p=p, better=better
    )
