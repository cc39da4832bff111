"""From tokens to text, one token at a time, ending at a stop word.

Knows a tokenizer's `decode` and nothing of models. Text is given out only when it is certain: a character whose bytes
are still coming is held back, and so is what may turn out to be the beginning of a stop word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNFINISHED = "\ufffd"
"""What `decode` puts where a character's bytes are incomplete."""


class Transcript:
    """The text of one answer."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), *, keep_special: bool = False) -> None:
        self._tokenizer = tokenizer
        self._skip_special = not keep_special
        self._stop = tuple(stop)
        self._tokens: list[int] = []
        self._context = 0  # decoding starts here, so that a tokenizer's leading-space rule sees what came before
        self._read = 0  # tokens up to here are in _text
        self._text = ""
        self._given = 0
        self.stopped = False
        """Whether a stop word was met; the text ends before it."""

    def push(self, token: int) -> str:
        """Take one more token and return the text that is now certain."""
        self._tokens.append(token)
        before = self._decode(self._context, self._read)
        now = self._decode(self._context, len(self._tokens))
        if now.endswith(UNFINISHED) or len(now) <= len(before):
            return ""
        self._text += now[len(before) :]
        self._context, self._read = self._read, len(self._tokens)
        return self._certain()

    def finish(self) -> str:
        """The rest of the text, once no token follows."""
        if self.stopped:
            return ""
        before = self._decode(self._context, self._read)
        self._text += self._decode(self._context, len(self._tokens))[len(before) :]
        self._cut_at_stop()
        rest = self._text[self._given :]
        self._given = len(self._text)
        return rest

    def _decode(self, start: int, end: int) -> str:
        return str(self._tokenizer.decode(self._tokens[start:end], skip_special_tokens=self._skip_special))

    def _certain(self) -> str:
        self._cut_at_stop()
        end = len(self._text) - (0 if self.stopped else self._held_back())
        certain = self._text[self._given : end]
        self._given = max(self._given, end)
        return certain

    def _cut_at_stop(self) -> None:
        places = [place for word in self._stop if (place := self._text.find(word, self._given)) >= 0]
        if places:
            self._text = self._text[: min(places)]
            self.stopped = True

    def _held_back(self) -> int:
        """Length of the longest end of the text that begins a stop word."""
        fresh = self._text[self._given :]
        lengths = (
            length
            for word in self._stop
            for length in range(min(len(word) - 1, len(fresh)), 0, -1)
            if fresh.endswith(word[:length])
        )
        return max(lengths, default=0)
