"""Which checkpoints of a run nobody is likely to miss. Pure; removes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.records.runs import Checkpoint


def best_of(saved: Sequence[Checkpoint]) -> Checkpoint | None:
    """The one with the lowest eval loss, if any was measured."""
    measured = [checkpoint for checkpoint in saved if checkpoint.eval_loss is not None]
    return min(measured, key=lambda checkpoint: checkpoint.eval_loss or 0.0, default=None)


def dispensable(saved: Sequence[Checkpoint], keep: int = 1) -> list[Checkpoint]:
    """All of `saved`, oldest first, but the newest `keep` (at least one) and the best."""
    best = best_of(saved)
    older = saved[: max(0, len(saved) - max(1, keep))]
    return [checkpoint for checkpoint in older if checkpoint != best]
