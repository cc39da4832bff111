"""Fewer points that draw the same curve: 100,000 steps become some thousand, and a spike of one step stays.

Each measure keeps its own minima and maxima (min-max-LTTB: Van Der Donckt et al. 2023, arXiv 2305.00332); the steps
kept are those that any measure needs, so that all columns stay of one length.
"""

from __future__ import annotations

from typing import Any

from workbench.records.runs import StepColumns

MEASURES = ("loss", "grad_norm", "learning_rate", "tokens_per_second")


def reduce_steps(steps: StepColumns, points: int) -> StepColumns:
    """At most about `points` of `steps`, always with the first and the last; fewer are returned as they are."""
    if len(steps.step) <= max(points, 8):
        return steps
    import numpy

    kept = {0, len(steps.step) - 1}
    for measure in MEASURES:
        kept |= _needed(numpy.array(getattr(steps, measure), dtype=float), points // len(MEASURES))
    order = sorted(kept)
    columns = {name: tuple(map(getattr(steps, name).__getitem__, order)) for name in StepColumns.model_fields}
    return StepColumns.model_construct(None, **columns)


def _needed(values: Any, points: int) -> set[int]:
    """The places of `values` that a curve of so many points needs; gaps (NaN) need none."""
    import numpy
    from tsdownsample import MinMaxLTTBDownsampler

    places = numpy.flatnonzero(numpy.isfinite(values))
    if len(places) <= points:
        return set(places.tolist())
    downsampler: Any = MinMaxLTTBDownsampler
    chosen = downsampler().downsample(values[places], n_out=max(points, 4))
    return set(places[chosen].tolist())
