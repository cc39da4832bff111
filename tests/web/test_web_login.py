"""A server with a login lets nobody else in, and knows its own user by cookie and by HTTP Basic."""

from __future__ import annotations

import pytest
from fake_services import FakeRuns
from fastapi import FastAPI
from fastapi.testclient import TestClient

from workbench.services import Services
from workbench.web import ServeOptions, build_app, login

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def served(fakes: tuple[Services, FakeRuns]) -> FastAPI:
    return build_app(fakes[0], ServeOptions(login="ann", password="grüße"))


@pytest.fixture
def locked(served: FastAPI, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A visitor that nobody knows yet."""
    monkeypatch.setattr(login, "FAILURE_SECONDS", 0.0)
    return TestClient(served, base_url=ADDRESS, follow_redirects=False)


def test_pages_ask_for_the_login_and_the_api_refuses(locked: TestClient) -> None:
    page = locked.get("/runs", headers={"accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=/runs"
    refused = locked.get("/api/runs")
    assert refused.status_code == 401
    assert refused.json()["problems"][0]["message"]
    assert locked.post("/gradio_api/queue/join", json={}).status_code == 401
    assert locked.get("/config").status_code == 401


def test_the_right_password_opens_everything_and_leads_back(locked: TestClient) -> None:
    assert "Password" in locked.get("/login").text
    answer = locked.post("/login?next=/runs", data={"user": "ann", "password": "grüße"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert locked.get("/api/runs").status_code == 200


@pytest.mark.parametrize(("user", "password"), [("ann", "wrong"), ("bob", "grüße"), ("", ""), ("ann", "")])
def test_a_wrong_password_is_told_so(locked: TestClient, user: str, password: str) -> None:
    answer = locked.post("/login", data={"user": user, "password": password})
    assert answer.status_code == 401
    assert "do not match" in answer.text
    assert locked.get("/api/runs").status_code == 401


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_login_never_leads_elsewhere(locked: TestClient, target: str) -> None:
    answer = locked.post(f"/login?next={target}", data={"user": "ann", "password": "grüße"})
    assert answer.headers["location"] == "/"


def test_programs_send_the_password_by_basic(locked: TestClient) -> None:
    assert locked.get("/api/runs", auth=("ann", "grüße")).status_code == 200
    assert locked.get("/api/runs", auth=("", "grüße")).status_code == 200
    assert locked.get("/api/runs", auth=("ann", "wrong")).status_code == 401
    assert locked.get("/api/runs", headers={"authorization": "Basic !!!"}).status_code == 401


@pytest.mark.parametrize("token", ["", "9999999999.", "9999999999.00", "0.abc", "äöü"])
def test_a_made_up_cookie_opens_nothing(locked: TestClient, token: str) -> None:
    answer = locked.get("/api/runs", headers=[(b"cookie", f"{login.COOKIE}={token}".encode())])
    assert answer.status_code == 401
