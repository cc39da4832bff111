"""Prompts are found in whatever a user has, with or without answers; what has none is told beside its field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from workbench.data import DatasetLibrary
from workbench.data import prompts as room
from workbench.data.prompts import PromptColumns, PromptsFound, prompts_of, read_prompts
from workbench.errors import WorkbenchError
from workbench.home import Home


def read(tmp_path: Path, name: str, text: str, columns: PromptColumns | None = None) -> PromptsFound:
    path = tmp_path / "given"
    path.write_text(text, encoding="utf-8")
    return read_prompts(path, name, columns)


def said(found: PromptsFound) -> list[tuple[int, str, str | None]]:
    return [(prompt.line, prompt.messages[-1].content, prompt.reference) for prompt in found.prompts]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "hello, you\n\nwhat, else\n", [(1, "hello, you", None), (3, "what, else", None)]),
        ("a.jsonl", '{"prompt": "hi"}\n{"prompt": "ho"}\n', [(1, "hi", None), (2, "ho", None)]),
        ("a.jsonl", '{"prompt": "hi", "reference": "x"}\n', [(1, "hi", "x")]),
        ("a.csv", "question,answer\nWhy?,So\n", [(2, "Why?", "So")]),
        ("a.tsv", "prompt\tcompletion\nWhy?\tSo\n", [(2, "Why?", "So")]),
        ("a.json", '[{"text": "great", "label": 1}]', [(1, "great", "1")]),
        ("a.jsonl", '{"query": "q", "expected": "e"}\n', [(1, "q", "e")]),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "q"}]}\n', [(1, "q", None)]),
        ("a.txt", '{"prompt": "JSON in a text file"}\n', [(1, "JSON in a text file", None)]),
        (
            "a.jsonl",
            '{"prompt": "q", "chosen": "c", "rejected": "r"}\n',
            [(1, "q", "c")],
        ),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, text: str, expected: list[tuple[int, str, str | None]]) -> None:
    assert said(read(tmp_path, name, text)) == expected


def test_the_last_answer_is_the_reference_and_all_before_it_the_prompt(tmp_path: Path) -> None:
    turns = [("system", "s"), ("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four")]
    row = json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]})
    (prompt,) = read(tmp_path, "a.jsonl", row).prompts
    assert [message.content for message in prompt.messages] == ["s", "one", "two", "three"]
    assert prompt.reference == "four"


def test_columns_can_be_chosen_and_must_be_when_they_are_not_clear(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", "frage,antwort\nWarum?,Darum\n,leer\n")
    assert (found.unclear, found.columns, found.prompts) == (True, ("frage", "antwort"), ())
    chosen = read(
        tmp_path, "a.csv", "frage,antwort\nWarum?,Darum\n,leer\n", PromptColumns(question="frage", answer="antwort")
    )
    assert said(chosen) == [(2, "Warum?", "Darum")]
    assert chosen.skipped == 1
    with pytest.raises(WorkbenchError, match="no column “fra”") as refused:
        read(tmp_path, "a.csv", "frage,antwort\nWarum?,Darum\n", PromptColumns(question="fra"))
    assert refused.value.problems[0].field == "source.columns.question"


@pytest.mark.parametrize(("name", "text"), [("a.txt", ""), ("a.txt", "\n \n"), ("a.jsonl", ""), ("a.jsonl", "{bad\n")])
def test_an_empty_file_is_refused_with_a_remedy(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        read(tmp_path, name, text)
    assert refused.value.problems[0].field == "file"
    assert refused.value.remedy


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes("öl".encode("latin-1"))
    with pytest.raises(WorkbenchError, match="Line 1 is not UTF-8"):
        read_prompts(path, "a.txt")
    path.write_bytes(b"%PDF-1.4 and so on")
    with pytest.raises(WorkbenchError, match="PDF"):
        read_prompts(path, "a.pdf")
    path.write_bytes(gzip.compress(b'{"prompt": "zipped"}\n'))
    assert said(read_prompts(path, "a.jsonl.gz")) == [(1, "zipped", None)]


def test_a_huge_file_is_cut_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_PROMPTS", 3)
    found = read(tmp_path, "a.txt", "1\n2\n3\n4\n5\n")
    assert (len(found.prompts), found.beyond) == (3, True)
    assert not read(tmp_path, "a.txt", "1\n2\n3\n").beyond
    monkeypatch.setattr(room, "MOST_BYTES", 4)
    with pytest.raises(WorkbenchError, match="larger than"):
        read(tmp_path, "a.txt", "1\n2\n3\n")


def test_rows_of_the_library_ask_what_stands_before_their_answer(home: Home, tmp_path: Path) -> None:
    library = DatasetLibrary(home)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "why", "answer": "so"}\n', encoding="utf-8")
    assert said(prompts_of(library.conversations(library.add(path).id))) == [(1, "why", "so")]
    path.write_text('{"text": "only words"}\n', encoding="utf-8")
    nothing = prompts_of(library.conversations(library.add(path).id))
    assert (nothing.prompts, nothing.skipped) == ((), 1)
