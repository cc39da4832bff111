"""What a row tells its listener, in the order it happens. No torch: the HTTP side imports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.protocol.chat import Distance


@dataclass(frozen=True)
class Waiting:
    """The row stands in the queue; 1 is next."""

    position: int


@dataclass(frozen=True)
class ReadSome:
    """The model has read a part of the prompt."""

    done: float
    """Its share, 0 to 1."""


@dataclass(frozen=True)
class TokenLikelihood:
    """How likely one token was, and the likeliest instead: (token, natural log of its probability)."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Wrote:
    """One more token; `text` is what became certain with it, often nothing."""

    text: str
    likelihood: TokenLikelihood | None = None


@dataclass(frozen=True)
class Ended:
    """The last event of an answer that came to its end."""

    reason: str
    """OpenAI's: ``stop`` or ``length``."""
    tokens: int
    seconds: float
    first_token_seconds: float | None
    distance: Distance | None


@dataclass(frozen=True)
class Scored:
    """The last event of a text that was read to its end: the natural log of each scored token's probability."""

    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Broke:
    """The last event of an answer that failed."""

    error: WorkbenchError


RowEvent = Waiting | ReadSome | Wrote | Ended | Scored | Broke
Listener = Callable[[RowEvent], None]
