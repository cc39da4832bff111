"""The engine's HTTP routes, on loopback and behind a token. Torch is imported with the first model, not before."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator
from typing import Annotated

import psutil
from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.config import DataConfig
from workbench.data import DatasetLibrary
from workbench.data.partition import HeldOut, held_out
from workbench.data.tokens import TokenFigures
from workbench.engine.answers import Answers
from workbench.engine.bases import Bases
from workbench.engine.chat import Chat
from workbench.engine.generation import Generation
from workbench.engine.text import Text
from workbench.engine.token_counts import TokenCounts
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.chat import (
    ChatRequest,
    CompareRequest,
    Comparison,
    CompletionRequest,
    ErrorAnswer,
    ErrorDetail,
    GenerationRequest,
    ModelEntry,
    ModelList,
    Score,
    ScoreRequest,
)
from workbench.protocol.engine import (
    BlueprintRequest,
    EnginePhase,
    EngineStatus,
    HeldOutRequest,
    ReleaseRequest,
    TokeniseAnswer,
    TokeniseRequest,
    TokensRequest,
)
from workbench.protocol.refusals import error_answer
from workbench.records.base_models import Blueprint

TIDY_SECONDS = 1.0


def build_app(home: Home, token: str) -> FastAPI:
    """The engine of `home`; every request must carry `token`."""
    bases = Bases(home)
    answers = Answers(home, bases)

    @contextlib.asynccontextmanager
    async def tidying(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_tidy(bases))
        yield
        task.cancel()

    app = FastAPI(title="LoRA Workbench engine", lifespan=tidying, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(BearerGuard, token=token)
    app.add_exception_handler(WorkbenchError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/status")
    async def status() -> EngineStatus:
        return _status(bases)

    @app.post("/release")
    def release(request: ReleaseRequest) -> EngineStatus:
        bases.release_all(request.reason)
        return _status(bases)

    @app.post("/blueprint")
    def blueprint(request: BlueprintRequest) -> Blueprint:
        from workbench.engine.blueprint import blueprint_of

        return blueprint_of(request.model, home)

    @app.get("/v1/models")
    def models() -> ModelList:
        return ModelList(data=_models(bases))

    @app.post("/v1/chat/completions")
    async def chat(http: Request, request: Annotated[ChatRequest, Body()]) -> Response:
        return await _answer(Chat(request, answers, bases), request, http)

    @app.post("/v1/completions")
    async def complete(http: Request, request: Annotated[CompletionRequest, Body()]) -> Response:
        return await _answer(Text(request, answers, bases), request, http)

    @app.post("/v1/compare")
    def compare(request: Annotated[CompareRequest, Body()]) -> Comparison:
        return answers.compare(request)

    @app.post("/v1/score")
    def score(request: Annotated[ScoreRequest, Body()]) -> Score:
        return answers.score(request)

    _data_routes(app, home, bases)
    return app


def _data_routes(app: FastAPI, home: Home, bases: Bases) -> None:
    """Datasets as a base model sees them."""
    counts = TokenCounts(home, bases)

    @app.post("/tokenise")
    def tokenise(request: TokeniseRequest) -> TokeniseAnswer:
        from workbench.engine.tokenise import tokenise

        return tokenise(request, bases.tokenizer(request.model))

    @app.post("/tokens")
    def tokens(request: TokensRequest) -> TokenFigures:
        return counts.ask(request)

    @app.post("/held-out")
    def parts(request: HeldOutRequest) -> HeldOut:
        data = DataConfig(dataset=request.dataset, validation_share=request.validation_share)
        return held_out(DatasetLibrary(home), data)


async def _answer(generation: Generation, request: GenerationRequest, http: Request) -> Response:
    return generation.stream() if request.stream else await generation.gather(http)


def _models(bases: Bases) -> tuple[ModelEntry, ...]:
    found = []
    for model in bases.models():
        if model.phase == EnginePhase.UNLOADED:
            continue
        found.append(ModelEntry(id="base", base_model=model.reference))
        found += [ModelEntry(id=name, base_model=model.reference) for name in model.adapters]
    return tuple(found)


def _status(bases: Bases) -> EngineStatus:
    models = bases.models()
    here = [model for model in models if model.phase != EnginePhase.UNLOADED]
    busy = [model for model in here if model.phase != EnginePhase.READY]
    speaking = next(iter([*busy, *here, *models]), None)
    return EngineStatus(
        phase=speaking.phase if speaking else EnginePhase.IDLE,
        detail=speaking.detail if speaking else "",
        done=speaking.done if speaking else None,
        models=models,
        memory_bytes=psutil.Process().memory_info().rss,
    )


async def _tidy(bases: Bases) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        await asyncio.to_thread(bases.release_unwanted)
        await asyncio.to_thread(bases.release_idle)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WorkbenchError)
    answer = error_answer(error)
    missing = answer.error.param == "model"
    return JSONResponse(answer.model_dump(mode="json"), status_code=404 if missing else 400)


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(map(str, detail['loc'][1:]))}: {detail['msg']}" for detail in error.errors()]
    answer = ErrorAnswer(error=ErrorDetail(message="; ".join(found), remedy="Correct the request."))
    return JSONResponse(answer.model_dump(mode="json"), status_code=400)


class BearerGuard:
    """Refuses every request without the token; pure ASGI, so that streams are not buffered."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._allowed(scope):
            answer = ErrorAnswer(error=ErrorDetail(message="The token is missing or wrong.", code="unauthorized"))
            await JSONResponse(answer.model_dump(mode="json"), status_code=401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)
