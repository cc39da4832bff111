"""Blind comparisons and their votes under /api: nothing that is sent before a vote tells who answered what.

Each route reads, calls one service, and returns its record.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Body, Query
from fastapi.responses import Response, StreamingResponse

from workbench.errors import WorkbenchError
from workbench.playground.blind import BlindComparisons, BlindEvent, BlindRequest
from workbench.playground.votes import CastVote, Preferences, Standing, Verdict, preference_rows, preferences, standing
from workbench.records.datasets import Dataset

if TYPE_CHECKING:
    from workbench.services import Services

MAX_STREAMS = 32
SHOWN_VOTES = 50
SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

Pair = Annotated[list[str], Query(max_length=2)]


def router(services: Services) -> APIRouter:
    """The routes of the blind comparison."""
    api = APIRouter(prefix="/api", tags=["votes"])
    _comparison_routes(api, BlindComparisons(services.playground, services.votes))
    _vote_routes(api, services)
    return api


def _comparison_routes(api: APIRouter, comparisons: BlindComparisons) -> None:
    streams = CapacityLimiter(MAX_STREAMS)

    @api.post("/blind", status_code=201)
    def begin(request: BlindRequest) -> dict[str, str]:
        """Draw two; the id says nothing of them."""
        return {"id": comparisons.begin(request)}

    @api.post("/blind/{id}/answers")
    async def answers(id: str) -> StreamingResponse:
        """Both answers, in one event when both are complete; a failure is an event named ``problem``."""
        events = _events(comparisons.answers(id), streams)
        return StreamingResponse(events, media_type="text/event-stream", headers=SSE_HEADERS)

    @api.post("/blind/{id}/vote", status_code=201)
    def vote(id: str, verdict: Annotated[Verdict, Body(embed=True)]) -> CastVote:
        """Keep the verdict and tell who was who."""
        return comparisons.vote(id, verdict)


async def _events(answers: Generator[BlindEvent, None, None], streams: CapacityLimiter) -> AsyncIterator[str]:
    try:
        while (event := await to_thread.run_sync(next, answers, None, limiter=streams)) is not None:
            yield f"data: {event.model_dump_json()}\n\n"
    except WorkbenchError as error:
        yield f"event: problem\ndata: {json.dumps([asdict(problem) for problem in error.problems])}\n\n"
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(answers.close, limiter=streams)


def _vote_routes(api: APIRouter, services: Services) -> None:
    box = services.votes

    @api.get("/votes")
    def votes(pair: Pair = [], base_model: str = "") -> Standing:  # noqa: B006
        """Ratings and win rates: of all, of one pair, or over one base model."""
        return standing(box.votes(pair, base_model))

    @api.get("/votes/latest")
    def latest(pair: Pair = [], base_model: str = "", skip: int = 0) -> list[CastVote]:  # noqa: B006
        """The votes themselves, the newest first, a page at a time."""
        return box.votes(pair, base_model)[::-1][max(0, skip) : max(0, skip) + SHOWN_VOTES]

    @api.get("/votes/preferences")
    def count(pair: Pair = [], base_model: str = "") -> Preferences:  # noqa: B006
        """How many rows a preference dataset of these votes would have, and what it leaves out."""
        return preferences(box.votes(pair, base_model))

    @api.get("/votes/preferences.jsonl")
    def download(pair: Pair = [], base_model: str = "") -> Response:  # noqa: B006
        """The preference dataset."""
        headers = {"content-disposition": 'attachment; filename="preferences.jsonl"'}
        rows = b"".join(preference_rows(box.votes(pair, base_model)))
        return Response(rows, media_type="application/jsonl", headers=headers)

    @api.post("/votes/dataset", status_code=201)
    def keep(pair: Pair = [], base_model: str = "") -> Dataset:  # noqa: B006
        """Put the preference dataset into the library."""
        rows = b"".join(preference_rows(box.votes(pair, base_model)))
        if not rows:
            raise WorkbenchError("No vote prefers one answer yet.", remedy="Vote for A or B first.")
        with tempfile.NamedTemporaryFile(dir=services.home.uploads, suffix=".jsonl") as file:
            file.write(rows)
            file.flush()
            return services.datasets.add(Path(file.name), name="preferences.jsonl", source="blind votes")
