"""Every format recognises its own rows, and reads the same conversation out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.formats import FORMATS, Layout, Row, guess

SAID = [("user", "why"), ("assistant", "so")]
ROWS: list[tuple[str, Row, list[tuple[str, str]]]] = [
    ("messages", {"messages": [{"role": "user", "content": "why"}, {"role": "assistant", "content": "so"}]}, SAID),
    ("sharegpt", {"conversations": [{"from": "human", "value": "why"}, {"from": "gpt", "value": "so"}]}, SAID),
    ("sharegpt", {"conversations": [{"from": "user", "value": "why"}, {"from": "assistant", "value": "so"}]}, SAID),
    ("sharegpt", {"conversation": [{"role": "prompter", "content": "why"}, {"role": "bot", "content": "so"}]}, SAID),
    ("sharegpt", {"messages": [{"from": "human", "value": "why"}, {"from": "gpt", "value": "so"}]}, SAID),
    ("alpaca", {"instruction": "why", "input": "", "output": "so"}, SAID),
    ("alpaca", {"instruction": "why", "output": "so"}, SAID),
    ("alpaca", {"instruction": "why", "context": "", "response": "so", "category": "qa"}, SAID),
    ("alpaca", {"instruction": "why", "input": "now", "output": "so"}, [("user", "why\n\nnow"), SAID[1]]),
    ("prompt_completion", {"prompt": "why", "completion": "so"}, SAID),
    (
        "prompt_completion",
        {"prompt": [{"role": "user", "content": "why"}], "completion": [{"role": "assistant", "content": "so"}]},
        SAID,
    ),
    ("question_answer", {"question": "why", "answer": "so"}, SAID),
    ("question_answer", {"q": "why", "a": "so", "id": 4}, SAID),
    ("context_target", {"context": "why", "target": "so"}, SAID),
    ("text_label", {"text": "why", "label": "so"}, SAID),
    ("text_label", {"text": "why", "label": 1, "label_text": "so"}, SAID),
    ("text_label", {"sentence": "why", "label": 1}, [SAID[0], ("assistant", "1")]),
    ("token_tag", {"tokens": ["why", "me"], "ner_tags": ["O", 3]}, [("user", "why me"), ("assistant", "O 3")]),
    ("source_target", {"source": "why", "target": "so"}, SAID),
    ("source_target", {"translation": {"en": "why", "de": "so"}}, SAID),
]


@pytest.mark.parametrize(("kind", "row", "said"), ROWS, ids=[f"{kind}-{n}" for n, (kind, _, _) in enumerate(ROWS)])
def test_a_row_is_recognised_and_read(kind: str, row: Row, said: list[tuple[str, str]]) -> None:
    found = guess([row])
    assert found is not None
    assert found.kind == kind
    assert "in 1 of the first 1 rows" in found.reason
    reading = FORMATS.get(kind)().read(row, 3)
    assert reading.conversation is not None
    assert reading.conversation.line == 3
    assert [(message.role, message.content) for message in reading.conversation.messages] == said
    assert not reading.problems


def test_running_text_stays_text() -> None:
    reading = FORMATS.get("text")().read({"text": "so it is"}, 1)
    assert reading.conversation is not None
    assert reading.conversation.text == "so it is"


def test_a_system_column_becomes_the_system_prompt() -> None:
    reading = FORMATS.get("alpaca")().read({"system": "be brief", "instruction": "why", "output": "so"}, 1)
    assert reading.conversation is not None
    assert [message.role for message in reading.conversation.messages] == ["system", "user", "assistant"]


def test_most_rows_decide_the_format() -> None:
    found = guess([{"text": "so"}, {"question": "why", "answer": "so"}, {"question": "why", "answer": "no"}])
    assert found is not None
    assert found.kind == "question_answer"


def test_rows_of_no_format_are_not_guessed() -> None:
    assert guess([{"colour": "red"}]) is None
    assert guess([]) is None


def chat(*turns: Any) -> Row:
    return {"messages": list(turns)}


USER = {"role": "user", "content": "why"}
SO = {"role": "assistant", "content": "so"}
FAULTS: list[tuple[str, str, Row]] = [
    ("error", "no-answer", chat(USER)),
    ("error", "null-answer", chat(USER, {"role": "assistant", "content": None})),
    ("error", "no-answer", chat(USER, {"role": "assistant"})),
    ("error", "empty-answer", chat(USER, {"role": "assistant", "content": " "})),
    ("error", "unknown-role", chat({"role": "narrator", "content": "why"}, SO)),
    ("error", "missing-role", chat({"content": "why"}, SO)),
    ("error", "missing-role", chat("why", SO)),
    ("error", "wrong-type", chat(USER, {"role": "assistant", "content": 4})),
    ("error", "wrong-type", chat(USER, {"role": "assistant", "content": {"a": 1}})),
    ("error", "lone-surrogate", chat(USER, {"role": "assistant", "content": "so \ud83d"})),
    ("error", "other-columns", {"colour": "red"}),
    ("warning", "control-character", chat(USER, {"role": "assistant", "content": "so\x07"})),
    ("warning", "two-user-turns", chat(USER, USER, SO)),
    ("warning", "two-assistant-turns", chat(USER, SO, SO)),
    ("warning", "answer-first", chat(SO, USER, SO)),
    ("warning", "open-end", chat(USER, SO, USER)),
    ("warning", "late-system", chat(USER, {"role": "system", "content": "be brief"}, SO)),
    ("warning", "empty-answer", chat(USER, {"role": "assistant", "content": ""}, USER, SO)),
]


@pytest.mark.parametrize(("severity", "kind", "row"), FAULTS, ids=[f"{f[1]}-{n}" for n, f in enumerate(FAULTS)])
def test_a_fault_is_named_with_line_and_remedy(severity: str, kind: str, row: Row) -> None:
    reading = FORMATS.get("messages")().read(row, 41)
    assert kind in [problem.kind for problem in reading.problems]
    found = next(problem for problem in reading.problems if problem.kind == kind)
    assert (found.line, found.severity) == (41, severity)
    assert found.message.endswith(".")
    assert found.remedy.endswith(".")
    assert (reading.conversation is None) == (severity == "error")
    json.dumps(found.model_dump(), ensure_ascii=False).encode("utf-8")


def test_every_fault_of_a_row_is_reported_at_once() -> None:
    row = chat({"role": "narrator", "content": 4}, {"role": "assistant", "content": None})
    kinds = {problem.kind for problem in FORMATS.get("messages")().read(row, 1).problems}
    assert kinds == {"unknown-role", "wrong-type", "null-answer"}


def test_numbers_and_nulls_in_columns_are_faults() -> None:
    reading = FORMATS.get("question_answer")().read({"question": 7, "answer": None}, 2)
    assert [problem.kind for problem in reading.problems] == ["wrong-type", "null-answer"]
    assert [problem.kind for problem in FORMATS.get("text")().read({"text": 5}, 1).problems] == ["wrong-type"]


def test_each_token_has_one_tag() -> None:
    reading = FORMATS.get("token_tag")().read({"tokens": ["why", "me"], "tags": ["O"]}, 3)
    assert [(problem.kind, problem.line) for problem in reading.problems] == [("tags-mismatch", 3)]
    assert not reading.used


def test_columns_of_any_name_can_be_chosen() -> None:
    layout = Layout(kind="columns", question=("titel", "frage"), answer="antwort", system="rolle")
    row = {"titel": "On walls", "frage": 7, "antwort": True, "rolle": "be brief", "more": None}
    reading = layout.format().read(row, 1)
    assert [turn[:2] for turn in reading.said] == [
        ("system", "be brief"),
        ("user", "On walls\n\n7"),
        ("assistant", "True"),
    ]
    assert Layout(kind="columns", answer="antwort").format().read({"antwort": "so"}, 1).text == "so"
    assert [problem.kind for problem in layout.format().read({"titel": "x"}, 1).problems] == ["other-columns"]
    assert [problem.kind for problem in layout.format().read({**row, "frage": None}, 1).problems] == ["null-text"]
    with pytest.raises(WorkbenchError):
        Layout(kind="columns").format()


def test_tool_calls_need_no_words_and_reach_the_template() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": '{"at": "wall"}'}}
    row = chat(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "look", "content": "brick"},
        SO,
    )
    reading = FORMATS.get("messages")().read({**row, "tools": [{"type": "function"}]}, 1)
    assert not reading.problems
    assert [turn[0] for turn in reading.said] == ["user", "assistant", "tool", "assistant"]
    assert json.loads(reading.said[1][2])["tool_calls"][0]["function"]["arguments"] == {"at": "wall"}
    assert json.loads(reading.said[2][2]) == {"name": "look"}
    assert json.loads(reading.tools) == [{"type": "function"}]
