"""One run, live: the single answer that every open page of a run asks for again and again.

Many pages look at the same run and ask from the same place, so an answer is made once for all of them and kept until
something changes. Making one reads the disk and happens in a thread; handing out one that is kept does not.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from workbench.errors import WorkbenchError
from workbench.records import MetricsDelta, Record, Run
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

KEPT = 256
POINTS = 4000
"""Steps that a page is given at first, of however many; a curve of them looks the same."""


class Live(Record):
    """All that the page of a run shows."""

    run: Run
    metrics: MetricsDelta
    log: str
    """The last lines of its worker's output."""


class LiveAnswers:
    """Answers as JSON, kept by what was asked, each as of the change it was made at."""

    def __init__(self, services: Services) -> None:
        self._runs = services.runs
        self._kept: OrderedDict[tuple[str, int], tuple[int, bytes]] = OrderedDict()

    async def answer(self, run_id: str, after: int) -> bytes:
        """What is new of a run since the event `after`."""
        changed = self._runs.changed()
        kept = self._kept.get((run_id, after))
        if kept is not None and kept[0] == changed:
            return kept[1]
        made = await run_in_threadpool(self._make, run_id, after)
        self._kept[run_id, after] = (changed, made)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def _make(self, run_id: str, after: int) -> bytes:
        try:
            run = self._runs.get(run_id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error
        metrics = self._runs.metrics(run_id, after, POINTS)
        return Live(run=run, metrics=metrics, log=self._runs.log(run_id)).model_dump_json().encode()


def router(services: Services) -> APIRouter:
    """The route, to be mounted beside those of `workbench.web.api`."""
    routes = APIRouter(prefix="/api", tags=["runs"])
    answers = LiveAnswers(services)

    @routes.get("/runs/{run_id}/live", response_model=Live)
    async def live(run_id: str, after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The run as it stands, what was measured since the cursor `after`, and the end of its log."""
        return Response(await answers.answer(run_id, after), media_type="application/json")

    return routes
