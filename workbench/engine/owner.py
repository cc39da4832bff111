"""The one thread that runs a base model: rows join and leave its batch at any step.

Everything that touches the model happens here, so that no two threads ever use it at once. Other threads hand in rows
and set their `cancelled`; what comes of a row is told to its listener, on this thread.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbench.engine.distance import distance
from workbench.engine.forward import Forward, Stretch
from workbench.engine.mixing import BASE_DOSE
from workbench.engine.row_events import Broke, Ended, RowEvent, Waiting
from workbench.engine.rows import Member, Order, Row
from workbench.errors import WorkbenchError

LOG = logging.getLogger(__name__)
MAX_ROWS = 16
GATHER_SECONDS = 0.03
"""How long an idle model waits for more rows after the first: panes ask at the same moment, by separate requests."""
STEP_SECONDS = 0.4
"""What a step may take with a prompt in it: a closed connection and a new row are seen between steps."""
REMEMBERED_PROMPTS = 32
LOOK_SECONDS = 5.0
"""How often an owner that answers looks whether it has the cores to itself."""
LONGEST_COMPARED = 2048
"""Prompts longer than this get no distance, unless a base pane happens to have read the same one."""

FAILURES = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What models raise while they compute."""

UNLOADED = WorkbenchError("The base model was unloaded.", remedy="Send the message again: it is loaded again.")


class Owner(threading.Thread):
    """Runs until `close`; rows are taken in order, `MAX_ROWS` at a time."""

    def __init__(self, name: str, forward: Forward, crowded: Callable[[], bool] = lambda: False) -> None:
        """`crowded` says whether a run computes on the same cores."""
        super().__init__(name=f"owner of {name}", daemon=True)
        self._forward = forward
        self._crowded = crowded
        self._threads = torch.get_num_threads()
        self._looked = -LOOK_SECONDS
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: list[Member] = []
        self._rows: list[Member] = []
        self._base_logprobs: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._seconds_per_token = 0.01
        self._closed = False
        self.last_used = time.monotonic()
        self.written = 0
        """Tokens of answers so far."""

    @property
    def rows(self) -> int:
        """Answers being written."""
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """Answers that wait for a place."""
        return len(self._waiting)

    def submit(self, row: Member) -> None:
        """Hand in a row, from any thread."""
        self.last_used = time.monotonic()
        self._tasks.put(lambda: self._waiting.append(row))
        if not self.is_alive():
            row.tell(Broke(UNLOADED))

    def close(self) -> None:
        """Let the thread end after the step it is in; rows that are left are told."""
        self._tasks.put(self._close)

    @torch.inference_mode()
    def run(self) -> None:
        while not self._closed:
            self._take_tasks()
            self._admit()
            if self._rows:
                self.last_used = time.monotonic()
                self._share_cores()
                self._guarded_step()
        while not self._tasks.empty():
            self._tasks.get()()
        self._break_all(UNLOADED, [*self._rows, *self._waiting])
        self._rows, self._waiting = [], []
        del self._forward  # the weights go with it, whoever still holds this thread

    def _share_cores(self) -> None:
        """Compute on one thread beside a run: two that wait for one another, with a third between, slow both down."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            wanted = 1 if self._crowded() else self._threads
            if wanted != torch.get_num_threads():
                torch.set_num_threads(wanted)

    def _close(self) -> None:
        self._closed = True

    def _take_tasks(self) -> None:
        """Do what other threads asked for; sleeps while there is nothing to do at all."""
        if not self._rows and not self._waiting:
            self._tasks.get()()
            time.sleep(GATHER_SECONDS)
        while not self._tasks.empty():
            self._tasks.get()()

    def _admit(self) -> None:
        self._rows = [row for row in self._rows if not row.cancelled]
        self._waiting = [row for row in self._waiting if not row.cancelled]
        self._waiting = [row for row in self._waiting if not self._settled(row)]
        for position, row in enumerate(self._waiting, start=1):
            if row.position != position:
                row.position = position
                row.tell(Waiting(position))

    def _settled(self, row: Member) -> bool:
        """Whether `row` need not wait any longer: it has joined the batch, or cannot."""
        if len(self._rows) >= MAX_ROWS:
            return False
        try:
            if not self._forward.admit(row.dose, [other.dose for other in self._rows]):
                return False
            row.past = self._forward.past(row.dose)
        except WorkbenchError as error:
            row.tell(Broke(error))
        except FAILURES as error:
            LOG.exception("a row could not begin")
            row.tell(Broke(_failed(error)))
        else:
            self._rows.append(row)
        return True

    def _guarded_step(self) -> None:
        try:
            self._step()
        except FAILURES as error:
            LOG.exception("a step failed")
            self._break_all(_failed(error), self._rows)
            self._rows = []

    def _break_all(self, error: WorkbenchError, rows: list[Member]) -> None:
        for row in rows:
            row.tell(Broke(error))

    def _step(self) -> None:
        began = time.monotonic()
        stretches = [Stretch(tokens, row.past, row.dose, row.wanted(len(tokens))) for row, tokens in self._plan()]
        logits = self._forward(stretches)
        for row, stretch, scores in zip(self._rows, stretches, logits, strict=True):
            row.read += len(stretch.tokens)
            row.take(scores)
            if isinstance(row, Row):
                self.written += bool(row.tokens)
                self._look_after(row)
        self._learn_speed(sum(len(stretch.tokens) for stretch in stretches), time.monotonic() - began)
        self._rows = [row for row in self._rows if not row.reason]

    def _plan(self) -> list[tuple[Member, Sequence[int]]]:
        """What each row reads in the coming step; prompts get equal shares, so that panes begin together."""
        unread = [row.unread for row in self._rows]
        if not self._forward.in_pieces:
            return list(zip(self._rows, unread, strict=True))
        reading = sum(len(tokens) > 1 for tokens in unread)
        share = max(16, int(STEP_SECONDS / self._seconds_per_token) // max(1, reading))
        return [(row, tokens[:share]) for row, tokens in zip(self._rows, unread, strict=True)]

    def _learn_speed(self, tokens: int, seconds: float) -> None:
        if tokens > 2 * len(self._rows):  # a step that mostly read prompts
            self._seconds_per_token += 0.5 * (seconds / tokens - self._seconds_per_token)

    def _look_after(self, row: Row) -> None:
        """Remember what the base model says first, and end an answer that is complete."""
        if len(row.tokens) == 1 and row.order.dose.adapter is None and row.first_logprobs is not None:
            self._base_logprobs[row.order.prompt] = row.first_logprobs
            while len(self._base_logprobs) > REMEMBERED_PROMPTS:
                self._base_logprobs.popitem(last=False)
        if row.reason:
            self._finish(row)

    def _finish(self, row: Row) -> None:
        """End `row` with its distance from the base; asks the base first where it has not read the same prompt."""
        row.past = None
        order = row.order
        known = self._base_logprobs.get(order.prompt)
        if not order.compare or order.dose.adapter is None or row.first_logprobs is None:
            row.end(None)
        elif known is not None:
            row.end(distance(row.first_logprobs, known, order.tokenizer))
        elif len(order.prompt) > LONGEST_COMPARED:
            row.end(None)
        else:
            self._waiting.insert(0, self._probe(row))

    def _probe(self, row: Row) -> Row:
        """A row that reads the same prompt with the base model, writes one token, and then lets `row` end."""
        order = row.order
        asked = Order(order.prompt, BASE_DOSE, order.sampler, 1, (), order.tokenizer, order.end_tokens, compare=False)

        def told(event: RowEvent) -> None:
            if isinstance(event, Ended):
                self._finish(row)
            elif isinstance(event, Broke):
                row.end(None)

        return Row(asked, told)


def _failed(error: Exception) -> WorkbenchError:
    return WorkbenchError(
        f"The model failed while answering: {error}",
        remedy="Send the message again; shorten it if memory ran out. The engine's log has the details.",
    )
