"""The HTTP API under /api: models, counts, datasets. Each route reads, calls one service, and returns its record.

Refusals are JSON ``{"problems": [{message, remedy, field, line}]}``. Runs stand in `runs`, the chat in `chat`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from workbench import __version__
from workbench.config import RunConfig
from workbench.errors import Problem, WorkbenchError
from workbench.records.base_models import ParameterCount
from workbench.records.datasets import Dataset

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
    """What is asked of models and datasets."""
    api = APIRouter(prefix="/api")
    for add in (_about, _dataset_routes):
        add(api, services)
    return api


def _about(api: APIRouter, services: Services) -> None:
    @api.get("/health")
    def health() -> dict[str, str]:
        """That the server is there, and which version it is."""
        return {"status": "ok", "version": __version__}

    @api.post("/params")
    def params(config: Config) -> ParameterCount:
        """What a run config would train."""
        return services.count(config)


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
