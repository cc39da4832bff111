"""The `openai` client and plain HTTP talk to the endpoint of the real server, which asks its pages for a login."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from engine_homes import save_run
from slowing import engine_of, slowed

from workbench.cli.main import main
from workbench.home import Home
from workbench.playground.endpoint import api_key, new_api_key
from workbench.services import open_services
from workbench.web import ServeOptions, build_app

LOGIN = ("ann", "password of the pages")
QUESTION = "What is brick number 3 made of?"
ENDLESS = {"temperature": 1.5, "seed": 5, "max_tokens": 230}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Iterator[tuple[Home, str]]:
    """A server with a login: its home and the endpoint's address."""
    home = Home(tmp_path_factory.mktemp("openai-home"))
    save_run(home, "one", tiny_model_folder)
    with open_services(home) as services:
        app = build_app(services, ServeOptions(login=LOGIN[0], password=LOGIN[1]))
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield home, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client(served: tuple[Home, str]) -> openai.OpenAI:
    return openai.OpenAI(base_url=served[1], api_key=api_key(served[0]), max_retries=0)


@pytest.fixture(scope="module")
def base(tiny_model_folder: Path) -> str:
    return f"folder:{tiny_model_folder}"


def test_models_are_listed(client: openai.OpenAI, base: str) -> None:
    assert {model.id for model in client.models.list()} == {base, "one"}
    assert client.models.retrieve("one").id == "one"
    with pytest.raises(openai.NotFoundError, match="no model “two”"):
        client.models.retrieve("two")


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


def test_a_stream_says_who_answers_before_the_first_token_and_all_it_knows_in_the_end(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "one", "temperature": 0, "max_tokens": 5, "stream": True}
    chat = list(client.chat.completions.create(messages=[{"role": "user", "content": QUESTION}], **asked))
    text = list(client.completions.create(prompt=QUESTION, **asked))
    assert (chat[0].choices[0].delta.role, chat[0].choices[0].delta.content, text[0].choices[0].text) == (
        "assistant",
        "",
        "",
    )
    for chunks in (chat, text):
        told = [chunk.model_extra["workbench"] for chunk in chunks if "workbench" in (chunk.model_extra or {})]
        assert len(told) == 2 and told[0] == (chunks[0].model_extra or {})["workbench"]
        assert (told[0]["adapter"]["rank"], len(told[0]["adapter"]["hash"])) == (4, 12)
        assert not {"seconds", "tokens", "distance", "first_token_seconds"} & told[0].keys()
        assert told[0].items() < told[1].items()
        assert told[1]["tokens"] == 5
        assert told[1]["distance"]["kl"] > 0.01


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


def test_what_is_added_by_the_page_is_offered_too(
    client: openai.OpenAI, served: tuple[Home, str], base: str, tmp_path: Path
) -> None:
    home, address = served
    route = f"{address.removesuffix('/v1')}/api/adapters"
    body = {"kind": "folder", "place": str(home.runs / "one" / "adapter"), "base_model": base, "name": "Mine"}
    added = httpx.post(route, json=body, auth=LOGIN, timeout=60).json()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in (home.runs / "one" / "adapter").iterdir():
            archive.write(path, path.name)
    files = {"file": ("packed.zip", (tmp_path / "packed.zip").read_bytes())}
    packed = httpx.post(f"{route}/zip", files=files, data={"base_model": base}, auth=LOGIN).json()
    assert [one["name"] for one in httpx.get(route, auth=LOGIN).json()] == ["packed", "Mine"]
    assert {added["id"], packed["id"]} < {model.id for model in client.models.list()}
    refused = httpx.post(route, json={**body, "place": str(tmp_path)}, auth=LOGIN)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "adapter")
    for one in (added, packed):
        assert httpx.delete(f"{route}/{one['id']}", auth=LOGIN).status_code == 204
    assert httpx.delete(f"{route}/{added['id']}", auth=LOGIN).status_code == 404


def test_plain_http_streams_events_as_curl_sees_them(served: tuple[Home, str]) -> None:
    home, address = served
    body = {"model": "one", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 5, "stream": True}
    text = json.dumps(body)
    host, _, port = address.removeprefix("http://").removesuffix("/v1").partition(":")
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {api_key(home)}\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"  # no content type: curl -d sends another
    )
    with socket.create_connection((host, int(port))) as plain:
        plain.sendall(request.encode())
        answer = b"".join(iter(lambda: plain.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 200 OK")
    assert "content-type: text/event-stream" in answer
    assert "data: [DONE]" in answer


def test_a_client_that_hangs_up_ends_its_whole_answer_too(served: tuple[Home, str], client: openai.OpenAI) -> None:
    asked: Any = {"model": "one", "messages": [{"role": "user", "content": QUESTION}], **ENDLESS}
    usage = client.chat.completions.create(**asked).usage
    assert usage is not None
    before = _written_in_the_end(served[1])
    with slowed(engine_of(os.getpid())):
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=1.0).chat.completions.create(**asked)
        time.sleep(2)  # within which the end is promised
    assert _written_in_the_end(served[1]) < before + usage.completion_tokens


@pytest.mark.parametrize("route", ["/api/chat", "/v1/chat/completions"])
def test_a_closed_connection_ends_the_generation(served: tuple[Home, str], base: str, route: str) -> None:
    home, address = served
    pages = address.removesuffix("/v1")
    key = {"Authorization": f"Bearer {api_key(home)}"}
    asked = {"model": "one", "messages": [{"role": "user", "content": QUESTION}]}
    options: dict[str, Any] = (
        {"json": {**asked, "base_model": base, "sampling": ENDLESS}, "auth": LOGIN}
        if route == "/api/chat"
        else {"json": {**asked, "stream": True, **ENDLESS}, "headers": key}
    )
    at_first = _written_in_the_end(address)
    with httpx.stream("POST", f"{pages}{route}", timeout=60, **options) as answer:
        assert list(answer.iter_lines())
    before = _written_in_the_end(address)
    with slowed(engine_of(os.getpid())), httpx.stream("POST", f"{pages}{route}", timeout=60, **options) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith("data:"))
    assert _written_in_the_end(address) - before < before - at_first


def _written_in_the_end(address: str) -> int:
    """How many tokens the engine has written when no answer is left."""
    deadline = time.monotonic() + 20
    while True:
        models = httpx.get(f"{address.removesuffix('/v1')}/api/engine", auth=LOGIN).json()["models"]
        if not any(model["rows"] or model["waiting"] for model in models):
            return sum(model["written"] for model in models)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_login_and_the_origin_are_the_pages_affair_and_the_host_is_not(served: tuple[Home, str]) -> None:
    home, address = served
    key = {"Authorization": f"Bearer {api_key(home)}"}
    asked = {"model": "one", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 1}
    elsewhere = {**key, "Origin": "http://another.example"}
    assert httpx.post(f"{address}/chat/completions", json=asked, headers=elsewhere).status_code == 200
    assert httpx.get(f"{address}/models", headers={**key, "Host": "another.example"}).status_code == 421
    pages = address.removesuffix("/v1")
    assert httpx.get(f"{pages}/api/endpoint", headers=key).status_code == 401
    assert httpx.get(f"{address}/anything", auth=LOGIN).status_code == 401
    assert httpx.get(f"{address}/anything", headers=key).status_code == 404
    told = httpx.get(f"{pages}/api/endpoint", auth=LOGIN).json()
    assert (told["address"], told["key"]) == (address, api_key(home))
    assert "one" in told["models"]
    assert f"{address}/chat/completions" in told["curl"]


def test_the_snippet_of_the_page_runs(served: tuple[Home, str], capsys: pytest.CaptureFixture[str]) -> None:
    pages = served[1].removesuffix("/v1")
    snippet = httpx.get(f"{pages}/api/endpoint", auth=LOGIN).json()["python"]
    exec(snippet.replace("messages=", "max_tokens=9, temperature=0, messages="), {})
    assert capsys.readouterr().out.strip()


def test_a_new_key_ends_the_old_one(served: tuple[Home, str], capsys: pytest.CaptureFixture[str]) -> None:
    home, address = served
    old = api_key(home)
    with pytest.raises(SystemExit):
        main(["key", "--home", str(home.path), "--new"])
    new = capsys.readouterr().out.strip()
    assert new == api_key(home) != old
    assert httpx.get(f"{address}/models", headers={"Authorization": f"Bearer {old}"}).status_code == 401
    assert httpx.get(f"{address}/models", headers={"Authorization": f"Bearer {new}"}).status_code == 200
    assert new_api_key(home) != new
