"""`workbench data`: the same report as the page, an exit status that scripts can use, a row as the model sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli.main import main
from workbench.home import Home

GOOD = '{"question": "why", "answer": "so it is"}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        GOOD + '{"question": "how"}\n{"question": "<b>[red]x", "answer": "thus\\u0007"}\n', encoding="utf-8"
    )
    return path


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_a_faulty_row_is_reported_and_ends_with_1(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", file) == 1
    shown = capsys.readouterr().out
    assert "2 rows can be used, 1 cannot." in shown
    assert "error no-answer (1, line 2)" in shown
    assert "warning control-character (1, line 3)" in shown


def test_a_sound_file_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text(GOOD, encoding="utf-8")
    assert run("check", tmp_path / "rows.jsonl") == 0
    assert "format question_answer" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"Dear Sir", b"PK\x03\x04", b'{"colour": "red"}\n'])
def test_a_file_that_cannot_be_used_ends_with_1(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    assert run("check", tmp_path / "rows.jsonl") == 1
    assert "error" in capsys.readouterr().out
    assert run("check", tmp_path / "none.jsonl") != 0


def test_the_report_comes_as_data_and_the_refused_rows_as_a_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", file, "--json", "--refused", tmp_path / "refused.jsonl") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["report"]["counts"] == {"no-answer": 1, "control-character": 1}
    assert (tmp_path / "refused.jsonl").read_text() == '{"question": "how"}\n'


def test_columns_are_named_by_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"frage": "warum", "antwort": "darum"}\n', encoding="utf-8")
    assert run("check", path) == 1
    assert run("check", path, "--answer", "antwort", "--question", "frage") == 0
    assert "1 rows can be used" in capsys.readouterr().out


def test_tokens_and_the_mask_are_those_of_the_base_model(
    file: Path, home: Home, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model: list[str | Path] = ["--home", home.path, "--model", f"folder:{tiny_model_folder}"]
    assert run("check", file, *model, "--max-length", "40") == 1
    assert "% trained" in capsys.readouterr().out
    assert run("show", file, "--row", "1", *model) == 0
    shown = capsys.readouterr().out
    assert "<|im_start|>assistant\n⟦so it is<|im_end|>⟧" in shown
    assert "tokens" in shown


def test_a_row_that_is_not_there_or_cannot_be_used_is_said_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", file, "--row", "9") == 1
    assert "no row 9" in capsys.readouterr().err
    assert run("show", file, "--row", "2") == 1
    found = capsys.readouterr()
    assert "a is missing" in found.out or "answer is missing" in found.out
