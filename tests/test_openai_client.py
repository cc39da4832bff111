"""The `openai` client talks to the server's own endpoint as to OpenAI's."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import uvicorn
from engine_homes import save_run
from fastapi import FastAPI

from workbench.engine_process import EngineProcess
from workbench.home import Home
from workbench.playground import Playground
from workbench.playground.endpoint import api_key, endpoint_router
from workbench.runs import Runs

QUESTION = "What is brick number 3 made of?"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Iterator[tuple[Home, str]]:
    """A server that has the endpoint alone: its home and its address."""
    home = Home(tmp_path_factory.mktemp("openai-home"))
    save_run(home, "one", tiny_model_folder)
    engine, runs = EngineProcess(home), Runs(home)
    runs.start()
    app = FastAPI()
    app.include_router(endpoint_router(engine, Playground(engine, runs)))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield home, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()
    runs.close()
    engine.close()


@pytest.fixture(scope="module")
def client(served: tuple[Home, str]) -> openai.OpenAI:
    return openai.OpenAI(base_url=served[1], api_key=api_key(served[0]), max_retries=0)


@pytest.fixture(scope="module")
def base(tiny_model_folder: Path) -> str:
    return f"folder:{tiny_model_folder}"


def test_models_are_listed(client: openai.OpenAI, base: str) -> None:
    assert {model.id for model in client.models.list()} == {base, "one"}


def test_a_whole_answer_and_its_stream_say_the_same(client: openai.OpenAI, base: str) -> None:
    for model in (base, "one"):
        whole = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=12
        )
        stream = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert whole.choices[0].message.content == text
        assert whole.usage is not None
        assert chunks[-1].usage == whole.usage
        assert whole.usage.completion_tokens == 12
        assert chunks[-2].choices[0].finish_reason == "length" == whole.choices[0].finish_reason


def test_seeds_logprobs_and_stop_words(client: openai.OpenAI) -> None:
    def ask(seed: int, stop: str | None = None) -> tuple[str, list[float]]:
        answer = client.chat.completions.create(
            model="one",
            messages=[{"role": "user", "content": QUESTION}],
            seed=seed,
            stop=stop,
            max_tokens=15,
            logprobs=True,
            top_logprobs=3,
        )
        told = answer.choices[0].logprobs
        assert told is not None
        assert told.content is not None
        assert all(len(token.top_logprobs) == 3 for token in told.content)
        return answer.choices[0].message.content or "", [token.logprob for token in told.content]

    text, logprobs = ask(1)
    assert ask(1) == (text, logprobs)
    assert ask(2)[0] != text
    assert all(logprob <= 0 for logprob in logprobs)
    stop = text[3:6]
    assert ask(1, stop)[0] == text[: text.index(stop)]


def test_text_completions(client: openai.OpenAI, base: str) -> None:
    whole = client.completions.create(model=base, prompt="The brick", max_tokens=9, temperature=0, logprobs=2)
    chunks = client.completions.create(model=base, prompt="The brick", max_tokens=9, temperature=0, stream=True)
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks)
    assert whole.choices[0].logprobs is not None
    assert len(whole.choices[0].logprobs.tokens or ()) == 9


def test_two_models_are_compared(client: openai.OpenAI, base: str) -> None:
    body = {"model": "one", "messages": [{"role": "user", "content": QUESTION}]}
    told = client.post("/compare", body=body, cast_to=dict)
    assert told["distance"]["kl"] > 0.01
    assert len(told["distance"]["top"]) == len(told["distance"]["top_base"]) == 5
    assert client.post("/compare", body={**body, "other": "one"}, cast_to=dict)["distance"]["kl"] == 0


def test_refusals_are_openais(client: openai.OpenAI, served: tuple[Home, str]) -> None:
    with pytest.raises(openai.NotFoundError, match="no run “missing”"):
        client.chat.completions.create(model="missing", messages=[{"role": "user", "content": "?"}])
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(model="one", messages=[{"role": "user", "content": "?"}], temperature=9)
    stranger = openai.OpenAI(base_url=served[1], api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_the_key_is_the_owners_alone_and_stays(served: tuple[Home, str]) -> None:
    home, _ = served
    assert api_key(home) == api_key(home)
    assert stat.S_IMODE((home.path / "api_key.txt").stat().st_mode) == 0o600
