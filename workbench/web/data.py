"""The data room under /api: the library, files on their way into it, rows and figures as a base model sees them.

Each route reads, calls one service, and returns its record.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import ValidationError

from workbench.config import DataConfig, RunConfig
from workbench.data.arrivals import Arrival, Arrivals, Example
from workbench.data.editing import STEP, STEPS, StepBase
from workbench.data_room import DataRoom, Described, Entry, Figures, SeenRow, View
from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of
from workbench.formats import FORMATS, Layout
from workbench.records.datasets import Dataset
from workbench.training_config import TrainingConfig
from workbench.web.api import MissingError

if TYPE_CHECKING:
    from workbench.services import Services

SETTINGS = ("max_length", "validation_share", "train_on", "chat_template")
MAX_NAME = 300


def router(services: Services) -> APIRouter:
    """The routes of the data page."""
    api = APIRouter(prefix="/api", tags=["data"])
    room = DataRoom(services.home, services.datasets, services.engine, services.runs)
    _library_routes(api, room)
    _receiving_routes(api, room.arrivals)
    _arrival_routes(api, room.arrivals)
    _dataset_routes(api, room, services)
    _edit_routes(api, room, services)
    return api


def _library_routes(api: APIRouter, room: DataRoom) -> None:
    @api.get("/library")
    def library() -> dict[str, list[Entry] | list[Arrival]]:
        """The datasets with their users, and the files on their way."""
        return {"entries": room.entries(), "arrivals": room.arrivals.list()}

    @api.get("/library/choices")
    def choices() -> dict[str, Any]:
        """The formats, and the fields of a run that decide what the model sees of a dataset."""
        formats = [{"kind": each.kind, "title": each.title, "example": each.example} for each in FORMATS]
        data = DataConfig.model_json_schema()["properties"]
        fields = {name: data[name] for name in SETTINGS}
        fields["batch_size"] = TrainingConfig.model_json_schema()["properties"]["batch_size"]
        base_model = RunConfig.model_fields["base_model"].default
        return {"formats": formats, "fields": fields, "base_model": base_model, "edits": list(map(step_fields, STEPS))}


def _receiving_routes(api: APIRouter, arrivals: Arrivals) -> None:
    @api.post("/arrivals", status_code=201)
    async def receive(
        request: Request,
        name: Annotated[str, Query(max_length=MAX_NAME)],
        source: Annotated[str, Query(max_length=1000)] = "",
        licence: Annotated[str, Query(max_length=200)] = "",
    ) -> Arrival:
        """Take the body as a file of that name, and check it in the background."""
        id, path = await to_thread.run_sync(lambda: arrivals.receive(name, source=source, licence=licence))
        try:
            async with await anyio.open_file(path, "wb") as file:
                async for chunk in request.stream():
                    await file.write(chunk)
        except BaseException as error:
            arrivals.drop(id)
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise WorkbenchError("The disk is full.", remedy="Free some space and add the file again.") from error
            raise
        return await to_thread.run_sync(lambda: arrivals.check(id))

    @api.post("/arrivals/hub", status_code=201)
    def fetch(reference: Annotated[str, Body(embed=True, max_length=300)]) -> Arrival:
        """Fetch a dataset of the hub, and check it in the background."""
        return arrivals.fetch(reference)


def _arrival_routes(api: APIRouter, arrivals: Arrivals) -> None:
    known: Any = Depends(_existing(arrivals.get))

    @api.get("/arrivals/{id}")
    def arrival(id: str = known) -> Arrival:
        """How far it is, and what was found."""
        return arrivals.get(id)

    @api.post("/arrivals/{id}/check")
    def check(layout: Annotated[Layout | None, Body(embed=True)] = None, id: str = known) -> Arrival:
        """Read it again, as another layout or as what it is recognised as."""
        return arrivals.check(id, layout)

    @api.post("/arrivals/{id}/examples")
    def examples(layout: Annotated[Layout | None, Body(embed=True)] = None, id: str = known) -> list[Example]:
        """Its first rows, as they stand and as that layout reads them."""
        return arrivals.examples(id, layout)

    @api.get("/arrivals/{id}/refused")
    def refused(id: str = known) -> StreamingResponse:
        """The rows that cannot be used, as a file to correct."""
        return _download(arrivals.refused(id), arrivals.get(id).name)

    @api.post("/arrivals/{id}/take", status_code=201)
    def take(id: str = known) -> Dataset:
        """Put its good rows into the library."""
        return arrivals.take(id)

    @api.delete("/arrivals/{id}", status_code=204)
    def drop(id: str = known) -> None:
        """Forget it."""
        arrivals.drop(id)


def _dataset_routes(api: APIRouter, room: DataRoom, services: Services) -> None:
    library = services.datasets
    known: Any = Depends(_existing(library.get))

    @api.get("/datasets/{id}")
    def described(id: str = known) -> Described:
        """One dataset: where it comes from, what was found in it, who uses it."""
        return room.described(id)

    @api.get("/datasets/{id}/rows/{index}")
    def row(index: int, view: Annotated[View, Query()], id: str = known) -> SeenRow:
        """One row as a base model will see it."""
        return room.row(id, index, view)

    @api.get("/datasets/{id}/places/{line}")
    def place(line: int, id: str = known) -> dict[str, int]:
        """At which place the row of a line stands."""
        return {"index": room.place(id, line)}

    @api.get("/datasets/{id}/figures")
    def figures(view: Annotated[View, Query()], id: str = known) -> Figures:
        """The dataset in tokens, as far as they are counted: to be asked again until they are complete."""
        return room.figures(id, view)

    @api.get("/datasets/{id}/refused")
    def refused(id: str = known) -> StreamingResponse:
        """The rows that cannot be used, as a file to correct."""
        return _download(library.refused(id), library.get(id).name)

    @api.get("/datasets/{id}/original")
    def original(id: str = known) -> FileResponse:
        """The file as it was added, byte for byte."""
        return FileResponse(library.original(id), filename=library.recipe(id).file or library.get(id).name)

    @api.delete("/datasets/{id}", status_code=204)
    def remove(id: str = known) -> None:
        """Forget it, unless something needs it."""
        library.remove(id)


def _edit_routes(api: APIRouter, room: DataRoom, services: Services) -> None:
    known: Any = Depends(_existing(services.datasets.get))

    @api.post("/datasets/{id}/edits", status_code=201)
    def edit(step: Annotated[Any, Body()], id: str = known) -> Dataset:
        """The dataset after one more edit, which is a dataset of its own."""
        try:
            found = STEP.validate_python(step)
        except ValidationError as error:
            raise WorkbenchError.of(problems_of(error)) from error
        return services.datasets.edit(id, found)

    @api.post("/datasets/{id}/undo")
    def undo(id: str = known) -> Dataset:
        """The dataset before its last edit."""
        return room.undo(id)


def _existing(find: Callable[[str], Any]) -> Callable[[str], str]:
    """Takes the id in an address; one that `find` refuses is answered with 404."""

    def existing(id: str) -> str:
        try:
            find(id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error
        return id

    return existing


def step_fields(step: type[StepBase]) -> dict[str, Any]:
    """What a form for `step` is made from: its fields in their order, as JSON schema."""
    return step.model_json_schema()


def _download(rows: Iterator[bytes], name: str) -> StreamingResponse:
    plain = "".join(mark if mark.isascii() and (mark.isalnum() or mark in "._-") else "-" for mark in name)
    headers = {"content-disposition": f'attachment; filename="refused-{plain}.jsonl"'}
    return StreamingResponse(rows, media_type="application/jsonl", headers=headers)
