"""Two models of one base before the same prompt, read in one batch."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from torch import Tensor

from workbench.engine.base import Base
from workbench.engine.mixing import Dose
from workbench.engine.row_events import Broke, Ended, RowEvent
from workbench.engine.rows import Order, Row
from workbench.engine.sampling import Sampler
from workbench.protocol.chat import SamplingFields


def first_logprobs(base: Base, prompt: tuple[int, ...], doses: Sequence[Dose]) -> list[Tensor]:
    """The log-probabilities (vocabulary,) of the first token that each dose would write; waits for all of them."""
    events: list[queue.SimpleQueue[RowEvent]] = [queue.SimpleQueue() for _ in doses]
    greedy = Sampler.of(SamplingFields(temperature=0.0))
    rows = [
        Row(Order(prompt, dose, greedy, 1, (), base.tokenizer, base.end_tokens, compare=False), told.put)
        for dose, told in zip(doses, events, strict=True)
    ]
    for row in rows:
        base.owner.submit(row)
    return [_first(row, told) for row, told in zip(rows, events, strict=True)]


def _first(row: Row, told: queue.SimpleQueue[RowEvent]) -> Tensor:
    while True:
        event = told.get()
        if isinstance(event, Broke):
            raise event.error
        if isinstance(event, Ended):
            assert row.first_logprobs is not None
            return row.first_logprobs
