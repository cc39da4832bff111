"""Batches under /api: prompt files on their way in, batches at work, their tables, figures and reports.

Each route reads, calls one service, and returns its record.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
from anyio import to_thread
from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import StreamingResponse

from workbench.data.prompts import MOST_BYTES, MOST_PROMPTS
from workbench.errors import WorkbenchError
from workbench.playground.batch import Batches
from workbench.playground.batch_figures import metric_choices
from workbench.playground.batch_records import (
    DEFAULT_METRICS,
    BatchFigures,
    BatchRequest,
    BatchRows,
    BatchState,
    PromptSource,
    Scoring,
)
from workbench.playground.batch_rows import Show, batch_rows
from workbench.playground.prompt_files import PromptsShown
from workbench.playground.report import EXPORTS
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

MAX_NAME = 300


def router(services: Services) -> APIRouter:
    """The routes of the batches."""
    api = APIRouter(prefix="/api", tags=["batches"])
    _source_routes(api, services.batches)
    _batch_routes(api, services.batches)
    _result_routes(api, services.batches)
    return api


def _source_routes(api: APIRouter, batches: Batches) -> None:
    sources = batches.sources

    @api.get("/batches/choices")
    def choices() -> dict[str, Any]:
        """The metrics, and what limits a batch."""
        fields = {
            "sampling": BatchRequest.model_fields["sampling"].default.model_dump(),
            "expression": Scoring.model_json_schema()["properties"]["expression"],
        }
        return {"metrics": metric_choices(), "usual": DEFAULT_METRICS, "most_prompts": MOST_PROMPTS, **fields}

    @api.post("/batches/prompts", status_code=201)
    async def receive(request: Request, name: Annotated[str, Query(max_length=MAX_NAME)]) -> PromptsShown:
        """Take the body as a prompt file of that name, and tell what is in it."""
        id, path = await to_thread.run_sync(sources.receive, name)
        try:
            await _write(request, path)
            return await to_thread.run_sync(_shown, batches, id)
        except BaseException:
            sources.drop(id)
            raise

    @api.post("/batches/source")
    def shown(source: PromptSource) -> PromptsShown:
        """What is in a prompt file, a dataset, or the held-out rows of a run."""
        return sources.shown(source)


def _shown(batches: Batches, id: str) -> PromptsShown:
    return batches.sources.shown(PromptSource(kind="file", id=id))


async def _write(request: Request, path: Any) -> None:
    size = 0
    try:
        async with await anyio.open_file(path, "wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise WorkbenchError(
                        f"The file is larger than {MOST_BYTES // 2**20} MB.",
                        remedy="Take a part of it, or add it on the data page and choose it from the library.",
                        field="file",
                    )
                await file.write(chunk)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError("The disk is full.", remedy="Free some space and choose the file again.") from error


def _batch_routes(api: APIRouter, batches: Batches) -> None:
    known: Any = Depends(_existing(batches))

    @api.get("/batches")
    def every() -> list[BatchState]:
        """Every batch, the newest first."""
        return batches.list()

    @api.post("/batches", status_code=201)
    def begin(request: BatchRequest) -> BatchState:
        """Start one."""
        return batches.begin(request)

    @api.get("/batches/{id}")
    def state(id: str = known) -> BatchState:
        """How far it is."""
        return batches.get(id)

    @api.post("/batches/{id}/stop")
    def stop(id: str = known) -> BatchState:
        """End it; what is answered stays."""
        return batches.stop(id)

    @api.post("/batches/{id}/resume")
    def resume(failed: Annotated[bool, Body(embed=True)] = False, id: str = known) -> BatchState:
        """Go on with what is missing, and with `failed` with what went wrong."""
        return batches.resume(id, failed=failed)

    @api.put("/batches/{id}/scoring")
    def score(scoring: Scoring, id: str = known) -> BatchState:
        """Have other figures."""
        return batches.score_by(id, scoring)

    @api.delete("/batches/{id}", status_code=204)
    def remove(id: str = known) -> None:
        """Forget it."""
        batches.remove(id)


def _result_routes(api: APIRouter, batches: Batches) -> None:
    known: Any = Depends(_existing(batches))

    @api.get("/batches/{id}/figures")
    def figures(id: str = known) -> BatchFigures:
        """What the answers come to."""
        return batches.figures(id)

    @api.get("/batches/{id}/rows")
    def rows(
        skip: int = 0,
        limit: int = 25,
        search: Annotated[str, Query(max_length=500)] = "",
        show: Show = "all",
        id: str = known,
    ) -> BatchRows:
        """A page of the table."""
        folder, scorer = batches.folder(id), batches.scorer(id)
        return batch_rows(folder, scorer, skip=skip, limit=limit, search=search, show=show)

    @api.get("/batches/{id}/report.{ending}")
    def report(ending: Literal["csv", "jsonl", "md"], id: str = known) -> StreamingResponse:
        """The batch as a file."""
        media_type, write = EXPORTS[ending]
        parts: Iterator[str] = write(batches.folder(id), batches.scorer(id), batches.figures(id))
        headers = {"content-disposition": f'attachment; filename="batch-{id}.{ending}"'}
        return StreamingResponse(parts, media_type=media_type, headers=headers)


def _existing(batches: Batches) -> Any:
    """Takes the id in an address; one that is not there is answered with 404."""

    def existing(id: str) -> str:
        try:
            batches.folder(id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error
        return id

    return existing
