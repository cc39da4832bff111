"""One answer in the making: its tokens, its text, and when it ends.

A row knows nothing of the model: the owner thread feeds it logits, and it tells its listener what happened. A
`Reading` stands in the same batch and writes nothing: it tells how likely a given text was.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.engine.mixing import Dose
from workbench.engine.row_events import Ended, Listener, ReadSome, Scored, TokenLikelihood, Wrote
from workbench.engine.sampling import Sampler
from workbench.engine.transcript import Transcript
from workbench.protocol.chat import Distance


@dataclass(frozen=True)
class Order:
    """What is asked of a row."""

    prompt: tuple[int, ...]
    dose: Dose
    sampler: Sampler
    limit: int
    """Most tokens to write; at least 1."""
    stop: tuple[str, ...]
    tokenizer: Any
    end_tokens: frozenset[int]
    top_logprobs: int | None = None
    """None tells no likelihoods; 0 those of the written tokens alone."""
    compare: bool = True
    """Whether the end tells the adapter's distance from the base."""


class Member(ABC):
    """One place in the batch."""

    def __init__(self, dose: Dose, listener: Listener) -> None:
        self.dose = dose
        self.tell = listener
        self.past: Any = None
        """The model's memory of this row; the owner sets it."""
        self.read = 0
        """Tokens that the model has read."""
        self.reason = ""
        """Why it is over; empty while it goes on."""
        self.position = 0
        """Place in the queue that its listener was last told."""
        self.cancelled = False
        """Set from any thread; the owner drops the row before its next step."""

    @property
    @abstractmethod
    def unread(self) -> Sequence[int]:
        """What the model reads next."""

    @abstractmethod
    def wanted(self, count: int) -> int:
        """After how many of the next `count` tokens, the last of them, it asks for logits."""

    @abstractmethod
    def take(self, logits: Tensor) -> None:
        """Logits (wanted, vocabulary), once `read` counts their tokens; sets `reason` when nothing more is needed."""


class Row(Member):
    """One order being carried out."""

    def __init__(self, order: Order, listener: Listener) -> None:
        super().__init__(order.dose, listener)
        self.order = order
        self.tokens: list[int] = []
        """Written so far, the end token included."""
        self.first_logprobs: Tensor | None = None
        """Log-probabilities of the answer's first token, (vocabulary,)."""
        self._asked = time.monotonic()
        self._first_token: float | None = None
        self._transcript = Transcript(order.tokenizer, order.stop)

    @property
    def unread(self) -> Sequence[int]:
        """The rest of the prompt, or the token just written."""
        prompt = len(self.order.prompt)
        if self.read < prompt:
            return self.order.prompt[self.read :]
        return self.tokens[self.read - prompt :]

    def wanted(self, count: int) -> int:
        return int(count >= len(self.unread))

    def take(self, logits: Tensor) -> None:
        """Choose the next token and tell of it, or tell how far the prompt is read."""
        if len(logits):
            self._choose(logits[-1])
        else:
            self.tell(ReadSome(self.read / len(self.order.prompt)))

    def _choose(self, logits: Tensor) -> None:
        if not self.tokens:
            self.first_logprobs = logits.log_softmax(-1)
            self._first_token = time.monotonic() - self._asked
        token = self.order.sampler.choose(logits, [*self.order.prompt, *self.tokens])
        self.tokens.append(token)
        if token in self.order.end_tokens:
            self.reason = "stop"
            text = self._transcript.finish()
        else:
            text = self._write(token)
        likelihood = self._likelihood(token, logits)
        if text or likelihood is not None:
            self.tell(Wrote(text, likelihood))

    def end(self, distance: Distance | None) -> None:
        """Tell that the answer is complete."""
        seconds = time.monotonic() - self._asked
        self.tell(Ended(self.reason, len(self.tokens), seconds, self._first_token, distance))

    def _write(self, token: int) -> str:
        text = self._transcript.push(token)
        if self._transcript.stopped:
            self.reason = "stop"
        elif len(self.tokens) >= self.order.limit:
            self.reason = "length"
            text += self._transcript.finish()
            if self._transcript.stopped:
                self.reason = "stop"
        return text

    def _likelihood(self, token: int, logits: Tensor) -> TokenLikelihood | None:
        if self.order.top_logprobs is None:
            return None
        logprobs = logits.log_softmax(-1)
        best = logprobs.topk(self.order.top_logprobs)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return TokenLikelihood(token, float(logprobs[token]), tuple(pairs))


class Reading(Member):
    """A given text, read to say how likely its last tokens were."""

    def __init__(self, tokens: Sequence[int], first: int, dose: Dose, listener: Listener) -> None:
        """`first` is the place of the first token that is scored; at least 1, since the one before foretells it."""
        super().__init__(dose, listener)
        self._tokens = tuple(tokens)
        self._first = first
        self._logprobs: list[float] = []

    @property
    def unread(self) -> Sequence[int]:
        """All but the last token: nothing is foretold behind it."""
        return self._tokens[self.read : -1]

    def wanted(self, count: int) -> int:
        return min(count, max(0, self.read + count - (self._first - 1)))

    def take(self, logits: Tensor) -> None:
        """Score the tokens that `logits` foretell."""
        follow = self._tokens[self.read - len(logits) + 1 : self.read + 1]
        if follow:
            chosen = torch.tensor(follow)[:, None]
            self._logprobs += logits.log_softmax(-1).gather(-1, chosen)[:, 0].tolist()
        if not self.unread:
            self.reason = "read"
            self.tell(Scored(tuple(self._logprobs)))
