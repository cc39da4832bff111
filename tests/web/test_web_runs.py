"""Runs over HTTP, asked by the command line's own client: real services, and workers that train nothing."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from runs_kit import IMPATIENT, OVER, end_workers, executor, wait_for, wait_until

from workbench.cli.remote import Remote
from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.engine_process import EngineProcess
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models
from workbench.playground import Playground
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs
from workbench.services import Services
from workbench.web import api, run_actions, system
from workbench.web import runs as run_routes


@pytest.fixture
def runs(home: Home) -> Iterator[Runs]:
    service = Runs(home, executor(), IMPATIENT)
    service.start()
    yield service
    service.close()
    end_workers(service)


@pytest.fixture
def client(home: Home, runs: Runs) -> TestClient:
    engine = EngineProcess(home)
    services = Services(home, Models(home), DatasetLibrary(home), runs, engine, Playground(engine, runs))
    app = FastAPI()
    api.refusals(app)
    for room in (api, run_routes, run_actions, system):
        app.include_router(room.router(services))
    return TestClient(app, base_url="http://far.example")


@pytest.fixture
def remote(client: TestClient) -> Remote:
    """The command line's client, its requests answered by the app itself."""
    remote = Remote("http://ann@far.example/", sends_files=True)
    remote._client = cast("Any", client)
    return remote


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": f"Why {n}?", "answer": "Because."}) + "\n" for n in range(8)))
    return path


def submit(remote: Remote, behaviour: str, **data: Any) -> Run:
    return remote.submit(RunConfig.parse({"name": behaviour, "training": {"max_steps": 1000}, "data": data}))


def test_a_run_is_made_from_a_file_sent_along_and_everything_of_it_comes_back(
    remote: Remote, client: TestClient, runs: Runs, rows: Path
) -> None:
    run = submit(remote, "steps=10 save=5", dataset=str(rows))
    assert run.dataset in {dataset["id"] for dataset in client.get("/api/datasets").json()}
    wait_for(runs, run.id, RunStatus.FINISHED)
    path = f"/api/runs/{run.id}"
    assert remote.metrics(run.id, after=0).steps.step == tuple(range(1, 11))
    assert client.get(f"{path}/size").json()["bytes"] > 1000
    assert client.get(f"{path}/explanation").json() is None
    assert "max_steps: 1000" in client.get(f"{path}/config.yaml").text
    assert len(client.get(f"{path}/metrics.csv").text.splitlines()) == 11
    saved = zipfile.ZipFile(io.BytesIO(client.get(f"{path}/checkpoints/checkpoint-5.zip").content))
    assert {"state", "run.yaml"} <= set(saved.namelist())
    for missing in ("adapter.zip", "checkpoints/checkpoint-6.zip"):
        refused = client.get(f"{path}/{missing}")
        assert (refused.status_code, bool(refused.json()["problems"][0]["remedy"])) == (422, True)
    wait_until(runs, run.id, lambda _: not runs._supervisor.working(run.id))
    assert client.get(f"{path}/log.txt").headers["content-disposition"].endswith('-log.txt"')
    assert len(client.delete(f"{path}/checkpoints/checkpoint-5").json()["checkpoints"]) == 1
    assert len(client.delete(f"{path}/checkpoints").json()["checkpoints"]) == 1
    remote.delete(run.id)
    with pytest.raises(WorkbenchError, match="no run"):
        remote.run(run.id)


def test_a_run_is_continued_compared_and_labelled(remote: Remote, client: TestClient, runs: Runs) -> None:
    first = submit(remote, "steps=5")
    wait_for(runs, first.id, RunStatus.FINISHED)
    changes = {"training.learning_rate": 1e-5, "name": "steps=2"}
    second = remote.go_on(first.id, changes, "checkpoint-5")
    assert second.continues == f"{first.id}/checkpoint-5"
    compared = remote.compare([first.id, second.id])
    assert [(found.title, found.values) for found in compared.differing] == [("Learning rate", (2e-4, 1e-5))]
    with pytest.raises(WorkbenchError, match="more than 0") as caught:
        remote.go_on(first.id, {"training.epochs": 0}, "")
    assert caught.value.problems[0].field == "training.epochs"
    wait_for(runs, second.id, *OVER)
    labelled = remote.label(second.id, {"name": "cooler", "tags": ["paper"], "pin": True})
    assert (labelled.name, labelled.tags, labelled.pin) == ("cooler", ("paper",), True)
    assert [run.name for run in remote.runs("tag:paper")] == ["cooler"]
    remote.label(second.id, {"pin": False, "archived": True})
    assert [run.id for run in remote.runs(sort="name")] == [first.id]
    with pytest.raises(WorkbenchError, match="ordered"):
        remote.runs(sort="colour")
    assert client.get("/api/comparison?runs=").status_code == 422


def test_a_failure_is_explained_and_retried_with_changes(remote: Remote, client: TestClient, runs: Runs) -> None:
    run = submit(remote, "steps=9 at=4 then=fail")
    wait_for(runs, run.id, RunStatus.FAILED)
    explained = client.get(f"/api/runs/{run.id}/explanation").json()
    assert (explained["detail"], explained["remedy"]) == ("It broke.", "Mend it.")
    assert "at step 4" in explained["log_tail"]
    changes = {"training.batch_size": 4, "name": "steps=2"}
    again = client.post(f"/api/runs/{run.id}/retry", json={"changes": changes})
    assert (again.status_code, again.json()["continues"]) == (201, None)
    assert runs.config(again.json()["id"]).training.batch_size == 4
    assert "log_tail" not in client.get("/api/runs").json()[0]


def test_the_queue_is_put_in_order_and_halted(remote: Remote, client: TestClient, runs: Runs) -> None:
    assert client.patch("/api/queue", json={"paused": True, "slots": 2}).json()["paused"]
    first, second = (submit(remote, "steps=2") for _ in range(2))
    view = client.put(f"/api/queue/{second.id}", json={"place": 0}).json()
    assert [waiting["run"]["id"] for waiting in view["waiting"]] == [second.id, first.id]
    assert all(waiting["needs"] > 1 << 20 for waiting in view["waiting"])
    assert [(device["name"], device["runs"]) for device in view["devices"]] == [("cpu", [])]
    assert client.patch("/api/queue", json={"slots": 99}).status_code == 422
    shutil.rmtree(runs.folder(second.id).path)
    assert [waiting["run"]["id"] for waiting in client.get("/api/queue").json()["waiting"]][-1:] == [first.id]
    wait_until(runs, first.id, lambda _: second.id not in {run.id for run in runs.list()})
    assert remote.cancel(first.id).status is RunStatus.STOPPED
    assert client.put(f"/api/queue/{first.id}", json={"place": 0}).status_code == 422


def test_a_list_that_has_not_changed_is_not_sent_again(remote: Remote, client: TestClient, runs: Runs) -> None:
    answer = client.get("/api/runs")
    known = {"if-none-match": answer.headers["etag"]}
    assert (client.get("/api/runs", headers=known).status_code, answer.json()) == (304, [])
    client.patch("/api/queue", json={"paused": True})
    submit(remote, "steps=2")
    assert len(client.get("/api/runs", headers=known).json()) == 1


def test_machine_and_disk_are_told(remote: Remote, client: TestClient, runs: Runs) -> None:
    run = submit(remote, "steps=300 pause=0.02")
    wait_until(runs, run.id, lambda found: found.step > 2)
    told = client.get("/api/system").json()
    assert told["machine"]["memory_total"] > 1 << 28
    assert [(worker["id"], worker["lane"], worker["load"]["memory"] > 1 << 20) for worker in told["workers"]] == [
        (run.id, "cpu", True)
    ]
    assert client.get("/api/disk").json()["runs"][run.id] > 0
    assert runs.get(run.id).process_bytes
    remote.cancel(run.id)
