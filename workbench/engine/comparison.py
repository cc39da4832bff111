"""Several doses of one base before the same text, in one batch: what each writes first, how likely each finds it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from torch import Tensor

from workbench.engine.base import Base
from workbench.engine.mixing import Dose
from workbench.engine.row_events import Broke, Ended, RowEvent, Scored
from workbench.engine.rows import Member, Order, Reading, Row
from workbench.engine.sampling import Sampler
from workbench.protocol.chat import SamplingFields

Told = queue.SimpleQueue[RowEvent]


def first_logprobs(base: Base, prompt: tuple[int, ...], doses: Sequence[Dose]) -> list[Tensor]:
    """The log-probabilities (vocabulary,) of the first token that each dose would write; waits for all of them."""
    greedy = Sampler.of(SamplingFields(temperature=0.0))

    def row(dose: Dose, told: Told) -> Row:
        asked = Order(prompt, dose, greedy, 1, (), base.tokenizer, base.end_tokens, compare=False)
        return Row(asked, told.put)

    found = []
    for member, _ in _together(base, doses, row):
        assert isinstance(member, Row)
        assert member.first_logprobs is not None
        found.append(member.first_logprobs)
    return found


def text_logprobs(base: Base, tokens: Sequence[int], first: int, doses: Sequence[Dose]) -> list[tuple[float, ...]]:
    """The log-probability of each of ``tokens[first:]`` behind those before it, dose by dose; waits for all of them."""
    found = []
    for _, event in _together(base, doses, lambda dose, told: Reading(tokens, first, dose, told.put)):
        assert isinstance(event, Scored)
        found.append(event.logprobs)
    return found


def _together(
    base: Base, doses: Sequence[Dose], member: Callable[[Dose, Told], Member]
) -> list[tuple[Member, Ended | Scored]]:
    """A member of the batch for each dose, and its last event; raises the `WorkbenchError` of one that broke."""
    told = [Told() for _ in doses]
    members = [member(dose, events) for dose, events in zip(doses, told, strict=True)]
    for one in members:
        base.owner.submit(one)
    return [(one, _last(events)) for one, events in zip(members, told, strict=True)]


def _last(told: Told) -> Ended | Scored:
    while True:
        event = told.get()
        if isinstance(event, Broke):
            raise event.error
        if isinstance(event, Ended | Scored):
            return event
