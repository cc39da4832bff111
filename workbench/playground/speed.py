"""How fast tokens were written: the one place that says when a rate means anything."""

from __future__ import annotations

LEAST_TOKENS = 5
LEAST_SECONDS = 0.2
"""Tokens that come in one burst were held back on the way: their rate is the network's, not the model's."""


def tokens_per_second(tokens: int, seconds: float) -> float | None:
    """None for fewer than `LEAST_TOKENS`, or within less than `LEAST_SECONDS`."""
    return tokens / seconds if tokens >= LEAST_TOKENS and seconds >= LEAST_SECONDS else None
