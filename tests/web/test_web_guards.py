"""Nobody but our own pages changes anything, and nothing on a page can send data elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from workbench.errors import WorkbenchError
from workbench.web import ServeOptions
from workbench.web.guards import HostGuard, UploadCap


def test_own_name_is_served_and_a_foreign_one_is_not(client: TestClient) -> None:
    assert client.get("/api/health").status_code == 200
    assert client.get("/api/health", headers={"host": "localhost:7860"}).status_code == 200
    refused = client.get("/api/health", headers={"host": "evil.example"})
    assert refused.status_code == 421
    assert "--allow-host" in refused.json()["problems"][0]["remedy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "a b"]
)
def test_hosts_that_only_look_like_ours(host: str) -> None:
    assert not HostGuard(_nothing, ServeOptions()).trusts(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "LOCALHOST:80", "[::1]:7860"])
def test_hosts_that_are_ours(host: str) -> None:
    assert HostGuard(_nothing, ServeOptions()).trusts(host)


def test_allowed_host_and_bare_addresses_of_an_open_server() -> None:
    tunnel = HostGuard(_nothing, ServeOptions(allow_hosts=("Box.Example",)))
    assert tunnel.trusts("box.example:443")
    opened = HostGuard(_nothing, ServeOptions(host="0.0.0.0", login="ann", password="secret"))
    assert opened.trusts("192.168.1.7:7860")
    assert not opened.trusts("rebound.example")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8000", "null", "http://[", ""])
def test_another_origin_changes_nothing(client: TestClient, origin: str) -> None:
    answer = client.post("/api/params", json={}, headers={"origin": origin})
    assert answer.status_code == 403
    assert "another site" in answer.json()["problems"][0]["message"].lower()


def test_another_site_without_an_origin_header_is_known_by_its_fetch_metadata(client: TestClient) -> None:
    assert client.post("/api/params", json={}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_own_origin_and_programs_without_one_may(client: TestClient) -> None:
    assert client.post("/api/params", json={}, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200
    assert client.post("/api/params", json={}).status_code == 200


def test_gradio_is_guarded_too(client: TestClient) -> None:
    headers = {"origin": "https://evil.example"}
    assert client.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 403


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for path in ("/", "/runs", "/api/health", "/api/runs/none", "/ui/workbench.css"):
        policy = client.get(path).headers["content-security-policy"]
        for rule in ("connect-src 'self'", "img-src 'self' data: blob:", "form-action 'self'", "frame-src 'none'"):
            assert rule in policy


def test_an_upload_that_says_it_is_too_large_is_refused_unread(client: TestClient) -> None:
    headers = {"content-length": str(3 * 2**30)}
    refused = client.post("/api/datasets", content=b"", headers=headers)
    assert refused.status_code == 413
    assert "2,048 MB" in refused.json()["problems"][0]["message"]


def test_an_upload_that_hides_its_size_is_cut_off() -> None:
    cap = UploadCap(_read_all, ServeOptions(max_upload=1000))
    sent = asyncio.run(_post_in_chunks(cap, chunks=40, size=100_000))
    assert sent[0]["status"] == 413
    assert asyncio.run(_post_in_chunks(cap, chunks=2, size=400))[0]["status"] == 200


def test_an_open_address_needs_a_login() -> None:
    with pytest.raises(WorkbenchError, match=r"0\.0\.0\.0") as refusal:
        ServeOptions(host="0.0.0.0")
    assert "--login" in refusal.value.remedy
    with pytest.raises(WorkbenchError, match="password"):
        ServeOptions(host="0.0.0.0", login="ann")
    assert ServeOptions(host="0.0.0.0", login="ann", password="secret").address == "http://127.0.0.1:7860"


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(ServeOptions(login="ann", password="secret"))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the guard let it through")


async def _read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _post_in_chunks(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], chunks: int, size: int
) -> list[Message]:
    sent: list[Message] = []
    left = iter(range(chunks, 0, -1))

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * size, "more_body": next(left) > 1}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    return sent
