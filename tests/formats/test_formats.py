"""Every format recognises its own rows, and reads the same conversation out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.formats import FORMATS, Row, guess

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
