"""One run, live: the single answer that every open page of a run asks for again and again.

Many pages look at the same run and ask from the same place, so an answer is made once for all of them and kept until
something changes. Making one reads the disk and happens in a thread; handing out one that is kept does not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import anyio
from fastapi import APIRouter, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.runs import MetricsDelta, Run
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

KEPT = 256
SECONDS = 0.5
"""Between two looks of a stream."""
POINTS = 4000
"""Steps that a page is given at first, of however many; a curve of them looks the same."""


class Live(Record):
    """All that the page of a run shows."""

    run: Run
    metrics: MetricsDelta
    log: str
    """The last lines of its worker's output."""


@dataclass(frozen=True)
class Answer:
    """One answer, as of the change it was made at."""

    changed: int
    body: bytes
    cursor: int
    over: bool
    """Whether nothing more comes unless the run is resumed."""


class LiveAnswers:
    """Answers as JSON, kept by what was asked."""

    def __init__(self, services: Services) -> None:
        self._runs = services.runs
        self._kept: OrderedDict[tuple[str, int], Answer] = OrderedDict()

    async def answer(self, run_id: str, after: int) -> Answer:
        """What is new of a run since the event `after`."""
        changed = self._runs.changed()
        kept = self._kept.get((run_id, after))
        if kept is not None and kept.changed == changed:
            return kept
        made = await run_in_threadpool(self._make, run_id, after, changed)
        self._kept[run_id, after] = made
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    async def stream(self, run_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
        """An event for every change of a run, until it is over; closing the connection ends it."""
        seen = -1
        while True:
            if self._runs.changed() != seen:
                answer = await self.answer(run_id, after)
                seen, after = answer.changed, answer.cursor
                yield ServerSentEvent(answer.body.decode(), id=str(answer.cursor))
                if answer.over:
                    return
            await anyio.sleep(SECONDS)

    def _make(self, run_id: str, after: int, changed: int) -> Answer:
        try:
            run = self._runs.get(run_id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error
        metrics = self._runs.metrics(run_id, after, POINTS)
        body = Live(run=run, metrics=metrics, log=self._runs.log(run_id)).model_dump_json().encode()
        return Answer(changed, body, metrics.cursor, run.status.over)


def router(services: Services) -> APIRouter:
    """The route, to be mounted beside those of `workbench.web.api`."""
    routes = APIRouter(prefix="/api", tags=["runs"])
    answers = LiveAnswers(services)

    @routes.get("/runs/{run_id}/live", response_model=Live)
    async def live(run_id: str, after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The run as it stands, what was measured since the cursor `after`, and the end of its log."""
        return Response((await answers.answer(run_id, after)).body, media_type="application/json")

    @routes.get("/runs/{run_id}/events")
    async def events(run_id: str, after: Annotated[int, Query(ge=0)] = 0) -> EventSourceResponse:
        """The same as server-sent events, one for every change, until the run is over."""
        await answers.answer(run_id, after)  # a run that is not there is refused before the stream begins
        return EventSourceResponse(answers.stream(run_id, after))

    return routes
