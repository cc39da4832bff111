"""The chat endpoint on the server's own port, for the user's own programs: an API key in front, the engine behind.

The server's application includes `endpoint_router`. Knows no page; answers come from the engine as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from workbench.engine_process import JSON, EngineProcess
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground.service import Playground
from workbench.protocol.chat import ErrorAnswer, ErrorDetail, ModelEntry, ModelList
from workbench.protocol.model_ids import BASE
from workbench.protocol.refusals import error_answer

PREFIX = "/v1"
ROUTES = ("chat/completions", "completions", "compare", "score")
"""What is handed on to the engine."""
MAX_BODY = 16 * 2**20
SILENCE_SECONDS = 3600.0
"""A whole answer that is not streamed says nothing until it is complete."""
LOOK_SECONDS = 0.5
"""How often it is looked whether somebody still waits for the first byte of an answer."""
CLIENT_GONE = 499
"""Nobody reads it; servers log an answer that was no longer wanted under this number."""
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def api_key(home: Home) -> str:
    """The home's API key; made when it is first asked for, readable by its owner alone."""
    file = _key_file(home)
    if not file.exists():
        with contextlib.suppress(FileExistsError):
            os.link(made := _made_key(file), file)  # never over another's
            made.unlink()
    key = file.read_text(encoding="utf-8").strip()
    if not key:
        raise WorkbenchError(f"The API key file {file} is empty.", remedy="Delete it; a new key is made.")
    return key


def new_api_key(home: Home) -> str:
    """Another key in the place of the home's own, which opens nothing any more."""
    file = _key_file(home)
    _made_key(file).replace(file)
    return api_key(home)


def _made_key(beside: Path) -> Path:
    """A file with a fresh key, readable by its owner alone."""
    made = beside.with_name(f"{beside.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(f"sk-workbench-{secrets.token_urlsafe(32)}")
    return made


def _key_file(home: Home) -> Path:
    home.path.mkdir(parents=True, exist_ok=True)
    return home.path / "api_key.txt"


def endpoint_router(engine: EngineProcess, playground: Playground) -> APIRouter:
    """``/v1/models``, ``/v1/chat/completions``, ``/v1/completions``, and ours, for holders of the API key.

    Everything under ``/v1`` ends here, so that the guards of the pages may leave it alone.
    """
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/models")
    def models(request: Request) -> Response:
        if not _allowed(request, engine.home):
            return _unauthorised()
        return JSONResponse(ModelList(data=model_entries(playground)).model_dump(mode="json", exclude_none=True))

    @router.get("/models/{model:path}")
    def model(model: str, request: Request) -> Response:
        if not _allowed(request, engine.home):
            return _unauthorised()
        found = next((entry for entry in model_entries(playground) if entry.id == model), None)
        if found is None:
            detail = ErrorDetail(message=f"There is no model “{model}”.", remedy="See /v1/models.", param="model")
            return _error(detail, 404)
        return JSONResponse(found.model_dump(mode="json", exclude_none=True))

    @router.api_route("/{route:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    async def forward(route: str, request: Request) -> Response:
        if not _allowed(request, engine.home):
            return _unauthorised()
        if request.method != "POST" or route not in ROUTES:
            return _error(ErrorDetail(message=f"There is no /v1/{route}.", remedy="See /v1/models."), 404)
        try:
            return await _forward(engine, f"/v1/{route}", request)
        except WorkbenchError as error:
            return _error(error_answer(error).error, 503)

    return router


def model_entries(playground: Playground) -> tuple[ModelEntry, ...]:
    """Every adapter by its model id, and each base model by its reference."""
    entries = {}
    for choice in playground.choices():
        if not choice.endpoint:
            name = choice.base_model if choice.id == BASE else choice.id
            entries[name] = ModelEntry(id=name, base_model=choice.base_model)
    return tuple(entries.values())


def _allowed(request: Request, home: Home) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(given.encode(), api_key(home).encode())


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise WorkbenchError("The request is too large.", remedy=f"Send at most {MAX_BODY // 2**20} MB.")
    return body


async def _forward(engine: EngineProcess, route: str, request: Request) -> Response:
    """Hand the request on and its answer back, byte by byte; closing the one ends the other."""
    body = await _body(request)
    known = await to_thread.run_sync(engine.client)
    headers = {**JSON, "Authorization": known.headers["Authorization"]}
    timeout = httpx.Timeout(10.0, read=SILENCE_SECONDS)
    client = httpx.AsyncClient(base_url=known.base_url, headers=headers, timeout=timeout, trust_env=False)
    asked = client.build_request("POST", route, content=body)
    try:
        answer = await _while_waited_for(asyncio.ensure_future(client.send(asked, stream=True)), request)
    except httpx.HTTPError as error:
        await client.aclose()
        raise engine.lost() from error
    if answer is None:
        await client.aclose()
        return Response(status_code=CLIENT_GONE)
    return StreamingResponse(
        _parts(client, answer, engine),
        status_code=answer.status_code,
        media_type=answer.headers.get("content-type"),
        headers=STREAM_HEADERS,
    )


async def _while_waited_for(sent: asyncio.Future[httpx.Response], request: Request) -> httpx.Response | None:
    """The engine's answer, whose first byte may be its last; None when nobody waits for it any more."""
    try:
        while not sent.done():
            await asyncio.wait({sent}, timeout=LOOK_SECONDS)
            if not sent.done() and await request.is_disconnected():
                return None
        return sent.result()
    finally:
        sent.cancel()


async def _parts(
    client: httpx.AsyncClient, answer: httpx.Response, engine: EngineProcess
) -> AsyncGenerator[bytes, None]:
    try:
        async for part in answer.aiter_raw():
            yield part
    except httpx.HTTPError:
        yield f"data: {error_answer(engine.lost()).model_dump_json()}\n\n".encode()
    finally:
        await answer.aclose()
        await client.aclose()


def _unauthorised() -> Response:
    detail = ErrorDetail(
        message="The API key is missing or wrong.",
        type="authentication_error",
        code="invalid_api_key",
        remedy="Send the key that `workbench key` prints as a bearer token.",
    )
    return _error(detail, 401)


def _error(detail: ErrorDetail, status: int) -> Response:
    return JSONResponse(ErrorAnswer(error=detail).model_dump(mode="json"), status_code=status)
