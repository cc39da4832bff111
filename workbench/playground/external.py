"""Another OpenAI-compatible server as a pane: vLLM or SGLang with many adapters, or a hosted model.

Its key, where it wants one, comes from the environment variable ``WORKBENCH_ENDPOINT_KEY`` and is sent nowhere else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.playground.records import Delta, Sampling
from workbench.playground.stream import read_answer
from workbench.protocol.chat import ModelEntry, ModelList
from workbench.protocol.refusals import error_from
from workbench.records.datasets import Message

KEY_VARIABLE = "WORKBENCH_ENDPOINT_KEY"
TIMEOUT = httpx.Timeout(10.0, read=120.0)


def stream_external(
    endpoint: str, model: str, messages: Sequence[Message], sampling: Sampling
) -> Generator[Delta, None, None]:
    """The answer of `model` at `endpoint`; closing the generator closes the connection, which ends the generation."""
    asked = time.monotonic()
    address = address_of(endpoint, "chat/completions")
    try:
        with httpx.stream(
            "POST", address, json=_request(model, messages, sampling), headers=headers(), timeout=TIMEOUT
        ) as response:
            yield from read_answer(response, asked)
    except httpx.HTTPError as error:
        raise unreachable(endpoint, error) from error


def external_models(endpoint: str) -> list[str]:
    """The model ids that the server at `endpoint` offers."""
    try:
        answer = httpx.get(address_of(endpoint, "models"), headers=headers(), timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise unreachable(endpoint, error) from error
    if answer.is_error:
        raise error_from(answer.content, answer.status_code)
    try:
        offered = ModelList.model_validate_json(answer.content).data
    except ValidationError as error:
        raise WorkbenchError(
            f"What answers at {endpoint} does not list models as OpenAI's protocol does.",
            remedy="Check that the address ends in /v1.",
            field="endpoint",
        ) from error
    return [_asked_as(model) for model in offered]


def _asked_as(model: ModelEntry) -> str:
    """What a request has to name. SGLang takes ``BASE:ADAPTER``, and would answer a bare adapter's name as the base."""
    return f"{model.parent}:{model.id}" if model.owned_by == "sglang" and model.parent else model.id


def _request(model: str, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
    """OpenAI's own fields always; those that only open servers know, where they are not at rest."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [message.model_dump(include={"role", "content"}) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **sampling.model_dump(include={"temperature", "top_p", "max_tokens"}),
    }
    if sampling.seed is not None:
        request["seed"] = sampling.seed
    if sampling.stop:
        request["stop"] = list(sampling.stop)
    return request | sampling.model_dump(include={"top_k", "min_p", "repetition_penalty"}, exclude_defaults=True)


def address_of(endpoint: str, route: str) -> str:
    """Where `route` lies; raises `WorkbenchError` when `endpoint` is no web address."""
    if not endpoint.startswith(("http://", "https://")):
        raise WorkbenchError(
            f"“{endpoint}” is not the address of a server.",
            remedy="Write it like http://127.0.0.1:8000/v1.",
            field="endpoint",
        )
    return f"{endpoint.rstrip('/')}/{route}"


def headers() -> dict[str, str]:
    """With the key, where the environment has one."""
    key = os.environ.get(KEY_VARIABLE)
    return {"Authorization": f"Bearer {key}"} if key else {}


def unreachable(endpoint: str, error: httpx.HTTPError) -> WorkbenchError:
    """What to raise when a connection to `endpoint` failed."""
    return WorkbenchError(
        f"The server at {endpoint} broke off or cannot be reached: {error}",
        remedy="Check that it runs and that the address ends in /v1.",
        field="endpoint",
    )
