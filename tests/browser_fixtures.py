"""Fixtures: a real browser, the real server in its own process, a server of scripted runs in this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from workbench.home import Home
from workbench.records.runs import RunStatus

if TYPE_CHECKING:
    from fake_playground import FakePlayground
    from fake_services import FakeRuns
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
START_SECONDS = 90


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A chromium without a window; closed after each file, since an event loop runs in this thread until then."""
    from browser import browser_path
    from playwright.sync_api import sync_playwright

    path = browser_path()
    assert path is not None, "no chromium or chrome: run `python -m tests.browser`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab; an error that a script of ours throws, or a file that is not there, fails the test."""
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 1360, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


class Scripted(NamedTuple):
    """A server whose runs a test moves by hand."""

    address: str
    runs: FakeRuns
    playground: FakePlayground


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """One server for all tests of a session; `some_runs` sets it up anew."""
    import uvicorn
    from fake_services import fake_services

    from workbench.web import ServeOptions, build_app

    services, runs = fake_services(Home(tmp_path_factory.mktemp("scripted")))
    options = ServeOptions(port=0)
    server = uvicorn.Server(uvicorn.Config(build_app(services, options), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Scripted(f"http://127.0.0.1:{port}", runs, cast("FakePlayground", services.playground))
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def some_runs(scripted: Scripted) -> Scripted:
    """One run of each kind."""
    from fake_services import example_run

    runs = scripted.runs
    runs.runs.clear()
    runs.order.clear()
    runs.paused = False
    runs.put(example_run("done", RunStatus.FINISHED, name="faq, rank 16", step=120, best_eval_loss=1.42))
    runs.put(
        example_run(
            "failed",
            RunStatus.FAILED,
            name="too hot",
            step=31,
            problem="The loss is no longer a finite number.",
            remedy="Lower the learning rate to a tenth.",
        )
    )
    runs.put(example_run("live", RunStatus.RUNNING, name="faq, rank 8", step=40))
    return scripted


class RealServer(NamedTuple):
    """A server as a user starts it."""

    address: str
    home: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The server with its worker and its engine, over an empty home."""
    with serving(tmp_path_factory.mktemp("real") / "home") as server:
        yield server


@contextmanager
def serving(home: Path) -> Iterator[RealServer]:
    """The server over `home`, ended afterwards."""
    command = [sys.executable, "app.py", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        yield RealServer(_address(process), home, process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    give_up = threading.Timer(START_SECONDS, process.kill)
    give_up.start()
    for line in process.stdout:
        found = re.search(r"open (http://\S+)", line)
        if found:
            give_up.cancel()
            return found[1]
    raise AssertionError("the server ended before it was ready")
