"""Whether a run's loss runs away: numbers still, but worse and worse, which no further step mends."""

from __future__ import annotations

from collections import deque
from statistics import fmean

WINDOW = 10
"""Steps that one figure is a mean of: a single hard batch is no divergence."""
FACTOR = 2.0
MARGIN = 1.0
"""In nats, so that a loss near nothing may double."""


class Divergence:
    """Compares the last steps' mean loss with the lowest and the first such mean of the run."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._first: float | None = None
        self.lowest = float("inf")
        self.lowest_at = 0
        """The last step of the window with the lowest mean; what was saved later may lie inside the divergence."""

    def note(self, step: int, loss: float) -> bool:
        """Take the loss of `step`; whether it has run away: twice the lowest mean, and above where it began."""
        self._recent.append(loss)
        if len(self._recent) < WINDOW:
            return False
        mean = fmean(self._recent)
        self._first = mean if self._first is None else self._first
        if mean <= self.lowest:
            self.lowest, self.lowest_at = mean, step
        return mean > FACTOR * self.lowest + MARGIN and mean > self._first + MARGIN
