"""Searches for a learning rate over HTTP, asked by the command line's client: one at a time, never beside a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fake_range_tests import ToldTests, falling_then_lost
from fake_services import FakeRuns, example_run, fake_services
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rich.console import Console

from workbench.cli.learning_rate import drawn, report
from workbench.cli.remote import Remote
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Failed
from workbench.home import Home
from workbench.records.runs import RunStatus
from workbench.runs.lanes import CPU
from workbench.runs.range_tests import KEPT, RangeTests
from workbench.web import api, range_tests, run_actions

CONFIG = RunConfig.parse({"data": {"dataset": "sample:construction-faq"}})


class Served:
    def __init__(self, home: Home) -> None:
        self.services, self.runs = fake_services(home)
        self.worker = ToldTests()
        self.service = RangeTests(home, cast("Any", self.runs), self.worker, [CPU])
        vars(self.services)["range_tests"] = self.service
        app = FastAPI()
        api.refusals(app)
        for room in (api, run_actions, range_tests):
            app.include_router(room.router(self.services))
        self.client = TestClient(app, base_url="http://far.example")
        self.remote = Remote("http://far.example")
        self.remote._client = cast("Any", self.client)


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    yield Served(home)


def test_a_search_tells_its_curve_and_then_what_it_suggests(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    assert (begun.status, begun.steps, begun.suggestion) == ("running", 0, None)
    served.worker.tell(falling_then_lost()[:20])
    half = served.remote.range_test(begun.id)
    assert (half.status, half.steps, half.total_steps, half.phase) == ("running", 20, 40, "training")
    assert half.suggestion is None
    served.worker.tell(falling_then_lost())
    served.worker.end()
    done = served.remote.range_test(begun.id)
    assert done.status == "finished"
    assert done.suggestion is not None
    assert done.suggestion.learning_rate == pytest.approx(done.suggestion.lowest_at / 10, rel=0.05)
    assert len(done.smoothed) == len(done.losses) - done.losses.count(None)
    assert served.client.get("/api/range-tests").json()[0]["id"] == begun.id
    assert served.worker.environment == CPU.environment


def test_there_is_one_at_a_time(served: Served) -> None:
    served.remote.find_learning_rate(CONFIG)
    with pytest.raises(WorkbenchError, match="going on already"):
        served.remote.find_learning_rate(CONFIG)
    served.worker.end(stopped=True)
    assert served.remote.find_learning_rate(CONFIG).status == "running"


def test_a_run_at_work_keeps_it_from_beginning(served: Served, home: Home) -> None:
    served.runs.put(example_run("r1", RunStatus.RUNNING, name="teapot"))
    with pytest.raises(WorkbenchError, match="“teapot” is training") as refusal:
        served.remote.find_learning_rate(CONFIG)
    assert "stop it first" in refusal.value.problems[0].remedy
    assert not list(home.range_tests.iterdir())


def test_a_run_that_is_started_ends_it(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    assert served.worker.folder is not None
    assert not served.worker.folder.stop_requested()
    served.services.submit(CONFIG)
    assert served.worker.folder.stop_requested()
    assert served.remote.range_test(begun.id).status == "running"


def test_whoever_is_asked_twice_to_stop_is_ended(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    assert served.remote.stop_range_test(begun.id).status == "running"
    assert served.worker.signals == []
    ended = served.remote.stop_range_test(begun.id)
    assert served.worker.signals == ["SIGKILL"]
    assert ended.status == "failed"


def test_what_is_wrong_with_the_run_stands_beside_its_field(served: Served) -> None:
    values = CONFIG.model_dump(mode="json")
    values["training"]["learning_rate"] = 0
    values["data"]["dataset"] = "nothing"
    answer = served.client.post("/api/range-tests", json=values)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == ["training.learning_rate"]
    with pytest.raises(WorkbenchError, match="no dataset"):
        served.remote.find_learning_rate(RunConfig.parse({"data": {"dataset": "nothing"}}))


def test_a_failure_is_told_with_its_remedy(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    served.worker.end(failed=Failed(message="The memory is full.", remedy="Halve the batch.", cause="out-of-memory"))
    found = served.remote.range_test(begun.id)
    assert (found.status, found.problem, found.remedy) == ("failed", "The memory is full.", "Halve the batch.")
    with pytest.raises(WorkbenchError, match="memory is full"):
        report(found, Console())


def test_a_process_that_dies_without_a_word_is_told(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    assert served.worker.folder is not None
    served.worker.folder.log.write_text("could not find anything\n")
    served.worker.end(silent=True)
    found = served.remote.range_test(begun.id)
    assert found.status == "failed"
    assert "could not find anything" in found.problem


def test_another_server_finds_it_again_by_its_lock(served: Served, home: Home) -> None:
    from workbench.runs.lock import run_lock

    begun = served.remote.find_learning_rate(CONFIG)
    other = RangeTests(home, cast("Any", FakeRuns()), ToldTests(), [CPU])
    assert served.worker.folder is not None
    with run_lock(served.worker.folder):
        assert other.get(begun.id).status == "running"
        with pytest.raises(WorkbenchError, match="going on already"):
            other.start(CONFIG)
    assert other.get(begun.id).status == "failed"


def test_old_ones_are_forgotten_and_unknown_ones_are_missing(served: Served, home: Home) -> None:
    for _ in range(KEPT + 2):
        served.remote.find_learning_rate(CONFIG)
        served.worker.end()
    assert len(list(home.range_tests.iterdir())) == KEPT
    assert served.client.get("/api/range-tests/nothing").status_code == 404
    assert served.client.post("/api/range-tests/nothing/stop").status_code == 404


def test_the_terminal_draws_it_and_names_the_setting(served: Served) -> None:
    begun = served.remote.find_learning_rate(CONFIG)
    served.worker.tell(falling_then_lost())
    served.worker.end()
    found = served.remote.range_test(begun.id)
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(drawn(found, console))
        report(found, console)
    assert found.suggestion is not None
    assert f"training.learning_rate: {found.suggestion.learning_rate:g}" in captured.get()
    assert "1e-06" in captured.get()
