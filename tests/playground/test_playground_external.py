"""A pane on another server: one that speaks OpenAI's protocol as vLLM does, without anything of ours."""

from __future__ import annotations

import json
import math
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from workbench.engine_process import EngineProcess
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground import PaneChoice, Playground, Sampling
from workbench.playground.adapters import AdapterLibrary
from workbench.playground.external import KEY_VARIABLE, external_models, stream_external
from workbench.playground.external_distance import compare_external
from workbench.playground.service import choices_of
from workbench.records.datasets import Message
from workbench.runs import Runs

QUESTION = [Message(role="user", content="?")]
VOCABULARY = 50


def _logprobs(seed: int) -> list[float]:
    draw = random.Random(seed)
    weights = [draw.random() ** 6 for _ in range(VOCABULARY)]
    return [math.log(weight / sum(weights)) for weight in weights]


LOGPROBS = {"base": _logprobs(1), "my-lora": _logprobs(2)}


def stand_in(asked: list[dict[str, Any]]) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/models")
    def models() -> Any:
        adapter = {"id": "sql", "object": "model", "owned_by": "sglang", "root": "/sql", "parent": "org/base"}
        mine = {"id": "my-lora", "object": "model", "owned_by": "vllm", "parent": "base", "permission": []}
        return {"object": "list", "data": [{"id": "base", "object": "model", "root": "x"}, mine, adapter]}

    @app.get("/other/models")
    def no_models() -> Any:
        return {"hello": "world"}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        asked.append({**body, "key": request.headers.get("authorization")})
        if body["model"] == "org/base:none":  # as SGLang refuses
            flat = {"object": "error", "message": "LoRA none is not loaded.", "type": "BadRequestError", "code": 400}
            return JSONResponse(flat, status_code=400)
        if body["model"] not in LOGPROBS:
            detail = {"message": "The model does not exist.", "type": "NotFoundError", "param": None, "code": 404}
            return JSONResponse({"error": detail}, status_code=404)
        if body.get("stream"):
            return StreamingResponse(chunks(body["messages"][0]["content"]), media_type="text/event-stream")
        return JSONResponse(first_token(body))

    return app


def first_token(body: dict[str, Any]) -> dict[str, Any]:
    """One token with its twenty likeliest candidates, as vLLM tells them."""
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    top = [
        {"token": f"t{token}", "logprob": logprob, "bytes": [116]}
        for token, logprob in sorted(enumerate(LOGPROBS[body["model"]]), key=lambda pair: -pair[1])[:20]
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": top[0]["token"], "reasoning_content": None, "tool_calls": []},
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
        "finish_reason": "length",
        "stop_reason": None,
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "prompt_tokens_details": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**head, "choices": [choice], "usage": usage, "prompt_logprobs": None}


def chunks(question: str) -> Iterator[str]:
    for text in ("It is ", "clay."):
        yield told({"choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}]})
    if question == "break off":
        return
    yield told({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}]})
    yield told({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}})
    yield "data: [DONE]\n\n"


def told(part: dict[str, Any]) -> str:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "my-lora"}
    return f"data: {json.dumps({**head, **part})}\n\n"


@pytest.fixture(scope="module")
def asked() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def endpoint(asked: list[dict[str, Any]]) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(stand_in(asked), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    listener.listen()
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


def test_its_models_and_answers(endpoint: str, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert external_models(endpoint) == ["base", "my-lora", "org/base:sql"]
    deltas = list(stream_external(endpoint, "my-lora", QUESTION, Sampling(stop=("x",), top_k=5)))
    assert "".join(delta.text for delta in deltas) == "It is clay."
    assert deltas[-1].done
    assert deltas[-1].tokens == 4
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].facts is None
    sent = asked[-1]
    assert sent["key"] == "Bearer secret"
    assert (sent["stop"], sent["top_k"], sent["seed"]) == (["x"], 5, 0)
    assert "min_p" not in sent


def test_its_refusals_and_breaks_are_told(endpoint: str) -> None:
    with pytest.raises(WorkbenchError, match=r"^The model does not exist"):
        list(stream_external(endpoint, "other", QUESTION, Sampling()))
    with pytest.raises(WorkbenchError, match=r"^LoRA none is not loaded"):
        list(stream_external(endpoint, "org/base:none", QUESTION, Sampling()))
    with pytest.raises(WorkbenchError, match="broke off"):
        list(stream_external(endpoint, "my-lora", [Message(role="user", content="break off")], Sampling()))
    with pytest.raises(WorkbenchError, match="cannot be reached"):
        list(stream_external("http://127.0.0.1:9/v1", "my-lora", QUESTION, Sampling()))
    with pytest.raises(WorkbenchError, match="not the address"):
        list(stream_external("file:///etc", "my-lora", QUESTION, Sampling()))


def test_its_distance_is_a_lower_bound(endpoint: str) -> None:
    told = compare_external(endpoint, "my-lora", "base", QUESTION).distance
    exact = sum(math.exp(p) * (p - q) for p, q in zip(LOGPROBS["my-lora"], LOGPROBS["base"], strict=True))
    assert told.lower_bound
    assert 0.05 * exact < told.kl < exact
    assert len(told.top) == len(told.top_base) == 5
    assert told.top[0].probability == pytest.approx(math.exp(max(LOGPROBS["my-lora"])))
    assert compare_external(endpoint, "base", "base", QUESTION).distance.kl == 0
    with pytest.raises(WorkbenchError, match=r"^The model does not exist"):
        compare_external(endpoint, "my-lora", "other", QUESTION)


def test_a_server_that_was_added_offers_its_models_as_panes(endpoint: str, home: Home) -> None:
    library = AdapterLibrary(home, lambda _: pytest.fail("no base model is asked for"))
    playground = Playground(EngineProcess(home), Runs(home))
    stranger = PaneChoice(id="my-lora", label="", base_model="", kind="endpoint", endpoint=endpoint)
    with pytest.raises(WorkbenchError, match="not among the servers that were added"):
        playground.compare(stranger, None, QUESTION)
    with pytest.raises(WorkbenchError, match="not among the servers that were added"):
        list(playground.stream(stranger, None, QUESTION, Sampling()))
    added = library.add_endpoint(f" {endpoint}/ ")
    panes = choices_of(added)
    assert [(pane.id, pane.endpoint) for pane in panes][1] == ("my-lora", endpoint)
    assert "".join(delta.text for delta in playground.stream(panes[1], None, QUESTION, Sampling())) == "It is clay."
    assert playground.compare(panes[1], None, QUESTION).distance.lower_bound
    with pytest.raises(WorkbenchError, match="how likely a given answer is"):
        playground.score(panes[1], None, QUESTION, "clay")
    with pytest.raises(WorkbenchError, match="does not list models"):
        library.add_endpoint(endpoint.removesuffix("/v1") + "/other")
