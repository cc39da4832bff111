"""The HTTP API under /api: runs, datasets, models, counts. Each route reads, calls one service, and returns its record.

Refusals are JSON ``{"problems": [{message, remedy, field, line}]}``. The chat stands in `chat`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from workbench import __version__
from workbench.config import RunConfig
from workbench.errors import Problem, WorkbenchError
from workbench.records import BaseModelCard, Dataset, MetricsDelta, ParameterCount, Run

if TYPE_CHECKING:
    from workbench.services import Services

CHUNK_BYTES = 2**20


class MissingError(WorkbenchError):
    """What the address names is not there: 404, where any other refusal is 422."""

    @classmethod
    def from_refusal(cls, error: WorkbenchError) -> MissingError:
        """The same problems, as the answer to a request for something that is not there."""
        missing = cls(error.message, remedy=error.remedy)
        missing.problems = error.problems
        return missing


def refusals(app: FastAPI) -> None:
    """Answer every refusal of a service, and every malformed request, in the one form."""

    @app.exception_handler(WorkbenchError)
    def _refused(_: Request, error: WorkbenchError) -> JSONResponse:
        return _answer(error.problems, 404 if isinstance(error, MissingError) else 422)

    @app.exception_handler(RequestValidationError)
    def _malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            Problem(f"{detail['msg']}.", "Correct the request.", ".".join(map(str, detail["loc"])))
            for detail in error.errors()
        ]
        return _answer(problems, 422)


def _answer(problems: Sequence[Problem], status: int) -> JSONResponse:
    return JSONResponse({"problems": [asdict(problem) for problem in problems]}, status_code=status)


def run_config(values: Annotated[Any, Body()]) -> RunConfig:
    """The request's body as a run config, every problem named with its field."""
    return RunConfig.parse(values)


Config = Annotated[RunConfig, Depends(run_config)]


def router(services: Services) -> APIRouter:
    """All routes of the API but the chat's."""
    api = APIRouter(prefix="/api")
    for add in (_about, _run_routes, _action_routes, _dataset_routes):
        add(api, services)
    return api


def _about(api: APIRouter, services: Services) -> None:
    @api.get("/health")
    def health() -> dict[str, str]:
        """That the server is there, and which version it is."""
        return {"status": "ok", "version": __version__}

    @api.get("/models")
    def models() -> list[BaseModelCard]:
        """The base models to choose from."""
        return services.models.cards()

    @api.post("/params")
    def params(config: Config) -> ParameterCount:
        """What a run config would train."""
        return services.count(config)


def _run_routes(api: APIRouter, services: Services) -> None:
    @api.get("/runs")
    def runs(query: str = "") -> list[Run]:
        """All runs, newest first, or those that `query` finds."""
        return list(services.runs.list(query))

    @api.post("/runs", status_code=201)
    def submit(config: Config) -> Run:
        """Queue a run."""
        return services.submit(config)

    known: Any = Depends(_existing(services))

    @api.get("/runs/{run_id}")
    def run(found: Run = known) -> Run:
        """One run as it stands."""
        return found

    @api.get("/runs/{run_id}/config")
    def config(found: Run = known) -> dict[str, Any]:
        """What the run was asked to do."""
        return services.runs.config(found.id).model_dump(mode="json")

    @api.get("/runs/{run_id}/metrics", response_model=MetricsDelta)
    def metrics(
        found: Run = known,
        after: Annotated[int, Query(ge=0)] = 0,
        points: Annotated[int | None, Query(ge=8, le=1_000_000)] = None,
    ) -> Response:
        """What was measured since the cursor `after`, by columns; with `points` at most about so many steps."""
        delta = services.runs.metrics(found.id, after, points)
        return Response(delta.model_dump_json(), media_type="application/json")

    @api.get("/runs/{run_id}/log")
    def log(found: Run = known, lines: Annotated[int, Query(ge=1, le=10_000)] = 40) -> dict[str, str]:
        """The last lines of the worker's log."""
        return {"log": services.runs.log(found.id, lines)}


def _action_routes(api: APIRouter, services: Services) -> None:
    known: Any = Depends(_existing(services))

    @api.post("/runs/{run_id}/stop")
    def stop(found: Run = known) -> Run:
        """Ask the run to save and stop."""
        return services.runs.stop(found.id)

    @api.post("/runs/{run_id}/resume")
    def resume(found: Run = known) -> Run:
        """Go on from the newest checkpoint."""
        return services.runs.resume(found.id)

    @api.post("/runs/{run_id}/name")
    def rename(name: Annotated[str, Body(embed=True, max_length=200)], found: Run = known) -> Run:
        """Call the run something else."""
        services.runs.rename(found.id, name)
        return services.runs.get(found.id)

    @api.delete("/runs/{run_id}", status_code=204)
    def delete(found: Run = known) -> None:
        """Delete the run and everything in its folder."""
        services.runs.delete(found.id)


def _existing(services: Services) -> Any:
    def existing_run(run_id: str) -> Run:
        try:
            return services.runs.get(run_id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error

    return existing_run


def _dataset_routes(api: APIRouter, services: Services) -> None:
    @api.get("/datasets")
    def datasets() -> list[Dataset]:
        """The datasets in the library."""
        return list(services.datasets.list())

    @api.post("/datasets", status_code=201)
    def add(
        file: Annotated[UploadFile, File()],
        source: Annotated[str, Form()] = "",
        licence: Annotated[str, Form()] = "",
    ) -> Dataset:
        """Put a file into the library."""
        with tempfile.NamedTemporaryFile(dir=services.home.uploads, suffix=".upload") as kept:
            while chunk := file.file.read(CHUNK_BYTES):
                kept.write(chunk)
            kept.flush()
            name = Path(file.filename or "dataset.jsonl").name
            return services.datasets.add(Path(kept.name), name=name, source=source, licence=licence)
