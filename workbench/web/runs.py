"""Reading runs over HTTP: lists, one run, its metrics, its files, and several beside each other.

Each route reads, calls one service and returns its record; what changes a run stands in `run_actions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import TypeAdapter
from starlette.datastructures import Headers

from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.runs import MetricsDelta, Run
from workbench.runs.comparison import Comparison
from workbench.runs.explanation import Explanation
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

RUNS: TypeAdapter[list[Run]] = TypeAdapter(list[Run])
LIST_LACKS: Any = {"__all__": {"log_tail"}}
"""The end of a log is told with the one run, not a thousand times with the list."""
MOST_COMPARED = 200
Lines = Annotated[int, Query(ge=1, le=10_000, description="How many lines from the end.")]


class Size(Record):
    """What deleting something would free."""

    bytes: int


def known_run(services: Services) -> Any:
    """The run that an address names, for a route to depend on; 404 when there is none."""

    def existing_run(run_id: str) -> Run:
        try:
            return services.runs.get(run_id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error

    return Depends(existing_run)


def router(services: Services) -> APIRouter:
    """Every route that reads runs, but for the live ones."""
    routes = APIRouter(prefix="/api", tags=["runs"])
    for add in (_lists, _one, _files):
        add(routes, services, known_run(services))
    return routes


def _lists(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.get("/runs", response_model=list[Run])
    def runs(
        request: Request,
        query: Annotated[str, Query(description="Words, `status:failed`, `rank>=8`, `is:archived`, …")] = "",
        sort: Annotated[str, Query(description="A field to order by; with a minus, the largest first.")] = "-created",
    ) -> Response:
        """The runs that `query` finds, pinned ones first, then in the order of `sort`; the log's end left out.

        The answer carries an `etag`: asked again with it, nothing is sent until a run has changed.
        """
        tag = f'"{services.runs.changed()}"'
        if Headers(scope=request.scope).get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        found = RUNS.dump_json(list(services.runs.list(query, sort)), exclude=LIST_LACKS)
        return Response(found, media_type="application/json", headers={"etag": tag, "cache-control": "no-cache"})

    @routes.get("/comparison")
    def comparison(runs: Annotated[str, Query(description="Run ids, with commas between.")]) -> Comparison:
        """Runs beside each other, in the order asked for, and the settings in which they differ."""
        ids = tuple(dict.fromkeys(filter(None, runs.split(","))))
        if not 0 < len(ids) <= MOST_COMPARED:
            raise WorkbenchError(
                f"{len(ids)} runs cannot be compared.", remedy=f"Name one to {MOST_COMPARED} of them, commas between."
            )
        return services.runs.compare(ids)


def _one(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.get("/runs/{run_id}")
    def run(found: Run = known) -> Run:
        """One run as it stands."""
        return found

    @routes.get("/runs/{run_id}/config")
    def config(found: Run = known) -> dict[str, Any]:
        """What the run was asked to do."""
        return services.runs.config(found.id).model_dump(mode="json")

    @routes.get("/runs/{run_id}/metrics", response_model=MetricsDelta)
    def metrics(
        found: Run = known,
        after: Annotated[int, Query(ge=0)] = 0,
        points: Annotated[int | None, Query(ge=8, le=1_000_000)] = None,
    ) -> Response:
        """What was measured since the cursor `after`, by columns; with `points` at most about so many steps."""
        delta = services.runs.metrics(found.id, after, points)
        return Response(delta.model_dump_json(), media_type="application/json")

    @routes.get("/runs/{run_id}/log")
    def log(found: Run = known, lines: Lines = 40) -> dict[str, str]:
        """The last lines of the worker's log."""
        return {"log": services.runs.log(found.id, lines)}

    @routes.get("/runs/{run_id}/explanation")
    def explanation(found: Run = known) -> Explanation | None:
        """Why it failed or was interrupted, and the settings that would help; null when it did neither."""
        return services.runs.explain(found.id)

    @routes.get("/runs/{run_id}/size")
    def size(found: Run = known) -> Size:
        """What deleting it would free."""
        return Size(bytes=services.runs.bytes(found.id))


def _files(routes: APIRouter, services: Services, known: Any) -> None:
    @routes.get("/runs/{run_id}/adapter.zip", response_class=StreamingResponse)
    def adapter(found: Run = known) -> Response:
        """The finished adapter with the run's config."""
        return _streamed(services.runs.adapter_zip(found.id), f"{found.id}-adapter.zip", "application/zip")

    @routes.get("/runs/{run_id}/checkpoints/{name}.zip", response_class=StreamingResponse)
    def checkpoint(name: str, found: Run = known) -> Response:
        """The adapter of a checkpoint with the run's config."""
        return _streamed(services.runs.adapter_zip(found.id, name), f"{found.id}-{name}.zip", "application/zip")

    @routes.get("/runs/{run_id}/config.yaml", response_class=PlainTextResponse)
    def config_file(found: Run = known) -> Response:
        """The run's config, to be trained again or changed."""
        path = services.runs.folder(found.id).config_file
        return FileResponse(path, media_type="application/yaml", filename=f"{found.id}.yaml")

    @routes.get("/runs/{run_id}/metrics.csv", response_class=StreamingResponse)
    def metrics_file(found: Run = known) -> Response:
        """Every logged step and evaluation, a line each."""
        return _streamed(services.runs.metrics_csv(found.id), f"{found.id}-metrics.csv", "text/csv")

    @routes.get("/runs/{run_id}/log.txt", response_class=PlainTextResponse)
    def log_file(found: Run = known) -> Response:
        """The whole log."""
        path = services.runs.folder(found.id).log
        if not path.is_file():
            raise WorkbenchError("This run has not written a log yet.", remedy="Wait until its worker has started.")
        return FileResponse(path, media_type="text/plain", filename=f"{found.id}-log.txt")


def _streamed(content: Iterable[Any], name: str, media_type: str) -> StreamingResponse:
    return StreamingResponse(
        iter(content), media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'}
    )
