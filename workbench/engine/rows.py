"""One answer in the making: its tokens, its text, and when it ends.

A row knows nothing of the model: the owner thread feeds it logits, and it tells its listener what happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.engine.mixing import Dose
from workbench.engine.row_events import Ended, Listener, TokenLikelihood, Wrote
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


class Row:
    """One order being carried out."""

    def __init__(self, order: Order, listener: Listener) -> None:
        self.order = order
        self.tell = listener
        self.past: Any = None
        """The model's memory of this row; the owner sets it."""
        self.read = 0
        """Tokens of prompt and answer that the model has read."""
        self.tokens: list[int] = []
        """Written so far, the end token included."""
        self.first_logprobs: Tensor | None = None
        """Log-probabilities of the answer's first token, (vocabulary,)."""
        self.reason = ""
        self.position = 0
        """Place in the queue that its listener was last told."""
        self.cancelled = False
        """Set from any thread; the owner drops the row before its next step."""
        self._asked = time.monotonic()
        self._first_token: float | None = None
        self._transcript = Transcript(order.tokenizer, order.stop)

    @property
    def unread(self) -> list[int]:
        """What the model reads next: the rest of the prompt, or the token just written."""
        prompt = len(self.order.prompt)
        if self.read < prompt:
            return list(self.order.prompt[self.read :])
        return self.tokens[self.read - prompt :]

    def take(self, logits: Tensor) -> None:
        """Choose the next token from `logits` and tell of it; sets `reason` when that was the last."""
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
