"""The one answer that an open page of a run asks for: new when something changed, the same for everybody until then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_services import FakeRuns, example_run
from fastapi.testclient import TestClient

from workbench.records.runs import RunStatus


def test_it_holds_the_run_its_news_and_its_log(client: TestClient, runs: FakeRuns) -> None:
    runs.put(example_run("a", RunStatus.RUNNING, step=30))
    first = client.get("/api/runs/a/live").json()
    assert (first["run"]["id"], first["metrics"]["cursor"]) == ("a", 30)
    assert first["log"] == runs.log("a")
    runs.grow("a", 5)
    more = client.get("/api/runs/a/live?after=30").json()
    assert more["metrics"]["steps"]["step"] == [31, 32, 33, 34, 35]
    assert more["run"]["step"] == 35


def test_it_is_made_once_for_all_who_ask_from_the_same_place(
    client: TestClient, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    metrics = runs.metrics

    def counted(run_id: str, after: int = 0, points: int | None = None) -> object:
        made.append(after)
        return metrics(run_id, after, points)

    monkeypatch.setattr(runs, "metrics", counted)
    runs.put(example_run("a", RunStatus.RUNNING, step=30))
    answers = {client.get("/api/runs/a/live?after=20").text for _ in range(5)}
    assert len(answers) == 1
    assert made == [20]
    runs.grow("a", 1)
    client.get("/api/runs/a/live?after=20")
    assert made == [20, 20]


def test_a_run_that_is_not_there_is_a_404(client: TestClient) -> None:
    assert client.get("/api/runs/nothing/live").status_code == 404


def test_a_stream_tells_every_change_until_the_run_is_over(client: TestClient, runs: FakeRuns) -> None:
    runs.put(example_run("a", RunStatus.RUNNING, step=3))
    told: list[dict[str, Any]] = []
    with client.stream("GET", "/api/runs/a/events?after=1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:")))
                if len(told) == 1:
                    runs.change("a", step=5, status=RunStatus.FINISHED)
    assert [live["metrics"]["steps"]["step"] for live in told] == [[2, 3], [4, 5]]
    assert [live["run"]["status"] for live in told] == ["running", "finished"]
    assert client.get("/api/runs/nothing/events").status_code == 404
