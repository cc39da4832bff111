"""Files on their way into the library: checked in the background, ended when nobody wants them, swept after a crash."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.data import DatasetLibrary
from workbench.data.arrivals import Arrival, Arrivals
from workbench.errors import WorkbenchError
from workbench.formats import Layout
from workbench.home import Home


@pytest.fixture
def arrivals(home: Home) -> Arrivals:
    return Arrivals(home, DatasetLibrary(home))


def receive(arrivals: Arrivals, rows: int, name: str = "rows.jsonl") -> str:
    id, path = arrivals.receive(name)
    path.write_text("".join(json.dumps({"q": f"why {n}", "a": "so"}) + "\n" for n in range(rows)), encoding="utf-8")
    return id


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def settled(arrivals: Arrivals, id: str) -> Arrival:
    until(lambda: arrivals.get(id).stage in ("checked", "failed"))
    return arrivals.get(id)


def test_a_small_and_a_large_file_are_checked_alike(
    arrivals: Arrivals, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = receive(arrivals, 3_000)
    arrivals.check(small)
    monkeypatch.setattr("workbench.data.ingestion.LARGE", 0)
    large = receive(arrivals, 3_000)
    arrivals.check(large)
    assert settled(arrivals, small).report == settled(arrivals, large).report
    dataset = arrivals.take(small)
    assert dataset.rows == 3_000
    assert arrivals.take(large) == dataset
    assert list(home.uploads.iterdir()) == []


def test_dropping_ends_the_check_and_leaves_nothing(
    arrivals: Arrivals, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow(folder: object, recipe: object, progress: Callable[[float], None]) -> None:
        reached.set()
        go_on.wait(10)
        progress(0.5)

    monkeypatch.setattr("workbench.data.arrivals.ingest", slow)
    id = receive(arrivals, 1)
    arrivals.check(id)
    reached.wait(10)
    with pytest.raises(WorkbenchError, match="being checked"):
        arrivals.check(id, Layout(kind="text"))
    with pytest.raises(WorkbenchError, match="not checked yet"):
        arrivals.take(id)
    arrivals.drop(id)
    go_on.set()
    until(lambda: not any(thread.name == f"arrival {id}" for thread in threading.enumerate()))
    assert list(home.uploads.iterdir()) == []
    with pytest.raises(WorkbenchError, match="not waiting here"):
        arrivals.get(id)


def test_a_reader_that_dies_is_told(arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.ingestion.LARGE", 0)
    monkeypatch.setattr("workbench.data.ingestion.sys.executable", "/bin/false")
    id = receive(arrivals, 5)
    arrivals.check(id)
    found = settled(arrivals, id)
    assert found.stage == "failed"
    assert "not read to its end" in found.problem
    assert found.remedy


def test_what_an_earlier_server_left_behind_is_swept(home: Home) -> None:
    left_behind = home.uploads / "arrival-0123456789abcdef"
    left_behind.mkdir()
    (left_behind / "original").write_bytes(b"half a fi")
    other = Path(home.uploads / "other")
    other.mkdir()
    Arrivals(home, DatasetLibrary(home))
    assert list(home.uploads.iterdir()) == [other]
