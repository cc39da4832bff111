"""What is added to the playground, under /api/adapters: adapters of folders, zips or the hub, whole models, servers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import Field

from workbench.errors import WorkbenchError
from workbench.protocol.added import Added
from workbench.records import Record
from workbench.web.api import CHUNK_BYTES, MissingError

if TYPE_CHECKING:
    from workbench.services import Services


class AddRequest(Record):
    """Asks for something to be added."""

    kind: Literal["folder", "hub", "merged", "endpoint"]
    place: str = Field(min_length=1, max_length=4096)
    """The folder's path on the server's disk, the hub id ``org/name``, or the other server's base address."""
    base_model: str = ""
    """The reference of the base model that an adapter was trained on."""
    name: str = Field("", max_length=80)


def router(services: Services) -> APIRouter:
    """The routes of what was added."""
    api = APIRouter(prefix="/api/adapters")

    @api.get("")
    def added(base_model: str | None = None) -> list[Added]:
        """What was added, the newest first; of one base model when it is named."""
        return services.adapters.list(base_model)

    @api.post("", status_code=201)
    def add(request: AddRequest) -> Added:
        """Add an adapter by its folder or hub id, a merged model's folder, or another server."""
        library = services.adapters
        match request.kind:
            case "folder":
                return library.add_folder(request.place, request.base_model, request.name)
            case "hub":
                return library.add_hub(request.place, request.base_model, request.name)
            case "merged":
                return library.add_merged(request.place, request.name)
            case "endpoint":
                return library.add_endpoint(request.place, request.name)

    @api.post("/zip", status_code=201)
    def add_zip(file: Annotated[UploadFile, File()], base_model: Annotated[str, Form()]) -> Added:
        """Add the adapter in an uploaded zip."""
        with tempfile.NamedTemporaryFile(dir=services.home.uploads, suffix=".zip") as kept:
            while chunk := file.file.read(CHUNK_BYTES):
                kept.write(chunk)
            kept.flush()
            return services.adapters.add_zip(Path(kept.name), base_model, Path(file.filename or "adapter.zip").name)

    @api.delete("/{added_id}", status_code=204)
    def remove(added_id: str) -> None:
        """Forget it, and delete the files that were copied for it."""
        try:
            services.adapters.remove(added_id)
        except WorkbenchError as error:
            raise MissingError.from_refusal(error) from error

    return api
