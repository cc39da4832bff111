"""The tokens of whole datasets, counted in the background: the figures are there at once and refine while it goes on.

One dataset is counted at a time. Counting waits while an answer is written, and ends when nobody asks for it any more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from workbench.data import DatasetLibrary, TokensReport, tokens_reports
from workbench.data.arrow import Conversations
from workbench.data.templates import templated
from workbench.data.tokens import FIRST_ROWS, TokenFigures
from workbench.engine.bases import Bases
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.engine import TokensRequest
from workbench.records.datasets import Conversation

KEPT = 32
"""Finished counts that are remembered."""
PATIENCE_SECONDS = 20.0
"""A count that nobody asked for in so long is given up."""
_BREATH = 250
_PAUSE_SECONDS = 0.05


class TokenCounts:
    """Every count of one engine, by what was asked."""

    def __init__(self, home: Home, bases: Bases) -> None:
        self._library = DatasetLibrary(home)
        self._bases = bases
        self._counts: OrderedDict[TokensRequest, _Count] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def ask(self, request: TokensRequest) -> TokenFigures:
        """The figures as far as they are known; begins to count when nobody has asked before.

        Raises `WorkbenchError` when dataset or base model cannot be had.
        """
        with self._lock:
            count = self._counts.pop(request, None)
            if count is None or count.given_up:
                count = _Count(request, self._library.conversations(request.dataset), self._bases, self._turn)
                count.start()
            self._counts[request] = count
            while len(self._counts) > KEPT:
                self._counts.popitem(last=False)[1].give_up()
        return count.figures()


class _Count(threading.Thread):
    """One count on its way."""

    def __init__(self, request: TokensRequest, rows: Conversations, bases: Bases, turn: threading.Lock) -> None:
        super().__init__(name=f"count {request.dataset}", daemon=True)
        self._request = request
        self._rows = rows
        self._bases = bases
        self._turn = turn
        self._seen = 0
        self._report: TokensReport | None = None
        self._problem: WorkbenchError | None = None
        self._complete = False
        self._asked = time.monotonic()
        self.given_up = False

    def figures(self) -> TokenFigures:
        """What is known by now; raises what kept it from being counted, once."""
        self._asked = time.monotonic()
        if self._problem is not None:
            self.given_up = True
            raise self._problem
        return TokenFigures(rows=len(self._rows), seen=self._seen, complete=self._complete, report=self._report)

    def give_up(self) -> None:
        """Let it end at its next row."""
        self.given_up = True

    def run(self) -> None:
        """Count, as soon as no other count is at work."""
        try:
            with self._turn:
                self._count()
        except _GivenUp:
            pass
        except WorkbenchError as error:
            self._problem = error

    def _count(self) -> None:
        request = self._request
        self._breathe()
        tokenizer = templated(self._bases.tokenizer(request.model), request.chat_template)
        many = len(self._rows) > FIRST_ROWS
        rows = self._watched(self._rows.scattered() if many else self._rows)
        for report in tokens_reports(rows, tokenizer, request.max_length, request.train_on):
            self._report = report
        self._complete = True

    def _watched(self, rows: Sequence[Conversation] | Iterator[Conversation]) -> Iterator[Conversation]:
        for row in rows:
            if not self._seen % _BREATH:
                self._breathe()
            self._seen += 1
            yield row

    def _breathe(self) -> None:
        """Stand back while an answer is written: both would wait for the same interpreter."""
        while True:
            if self.given_up or time.monotonic() - self._asked > PATIENCE_SECONDS:
                self.given_up = True
                raise _GivenUp
            if not self._bases.busy():
                return
            time.sleep(_PAUSE_SECONDS)


class _GivenUp(Exception):
    """Nobody waits for the count."""
