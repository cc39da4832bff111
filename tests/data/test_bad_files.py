"""Files that cannot be used, or only in part: each named with its line and a remedy, all at once, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from workbench.data import DatasetLibrary, Report, examine
from workbench.data.files.rows import ROW_LIMIT
from workbench.errors import WorkbenchError
from workbench.home import Home

GOOD = json.dumps({"question": "why", "answer": "so"}).encode()
OTHER = json.dumps({"question": "how", "answer": "thus"}).encode()
Place = tuple[str, int | None]


def check(tmp_path: Path, content: bytes) -> Report:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return examine(path)


def lines(*rows: bytes) -> bytes:
    return b"".join(row + b"\n" for row in rows)


REFUSED: dict[str, tuple[bytes, list[Place]]] = {
    "empty": (b"", [("empty-file", None)]),
    "only blank lines": (b"\n \n\r\n\n", [("no-rows", None)]),
    "not JSONL": (b"Dear Sir,\nplease find enclosed\n", [("not-rows", None), ("not-json", 1), ("not-json", 2)]),
    "UTF-16": (GOOD.decode().encode("utf-16"), [("utf-16", 1)]),
    "a ZIP archive": (b"PK\x03\x04rest", [("not-rows", None)]),
    "a PDF": (b"%PDF-1.7", [("not-rows", None)]),
    "unknown columns": (lines(b'{"colour": "red", "size": 4}'), [("unknown-format", 1)]),
    "no answers": (lines(b'{"question": "why"}'), [("no-answer", 1)]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_a_usable_row_is_refused(name: str, tmp_path: Path, home: Home) -> None:
    content, places = REFUSED[name]
    report = check(tmp_path, content)
    assert report.format is None
    assert report.rows == 0
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert [(problem.kind, problem.line) for problem in errors] == places
    assert all(problem.message and problem.remedy for problem in errors)
    with pytest.raises(WorkbenchError) as refused:
        DatasetLibrary(home).add(tmp_path / "rows.jsonl", name="rows")
    assert len(refused.value.problems) == len(places)
    assert list(home.datasets.iterdir()) == []


BAD_ROWS: dict[str, tuple[bytes, str]] = {
    "NUL byte": (b'{"question": "why", "answer": "s\x00"}', "nul-byte"),
    "not UTF-8": (b'{"question": "why", "answer": "\xff"}', "not-utf-8"),
    "trailing comma": (b'{"question": "why", "answer": "so",}', "not-json"),
    "half an object": (b'{"question": "why", "ans', "cut-line"),
    "two objects": (GOOD + GOOD, "not-json"),
    "a list": (b'["why", "so"]', "not-an-object"),
    "a number": (b"7", "not-an-object"),
    "deep nesting": (b'{"question": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "deep-nesting"),
    "a lone surrogate": (b'{"question": "why", "answer": "\\ud800"}', "lone-surrogate"),
    "a missing answer": (b'{"question": "why"}', "no-answer"),
    "a null answer": (b'{"question": "why", "answer": null}', "null-answer"),
    "a number for an answer": (b'{"question": "why", "answer": 4}', "wrong-type"),
    "other columns": (b'{"colour": "red"}', "other-columns"),
    "a long line": (b'{"question": "' + b"x" * ROW_LIMIT + b'", "answer": "so"}', "long-line"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_refused_by_its_line_and_the_others_are_used(name: str, tmp_path: Path) -> None:
    row, kind = BAD_ROWS[name]
    report = check(tmp_path, lines(GOOD, row, b"", OTHER))
    assert (report.rows, report.refused) == (2, 1)
    assert [(problem.kind, problem.line, problem.severity) for problem in report.problems] == [(kind, 2, "error")]
    assert len(report.problems[0].excerpt) <= 130
    assert not report.clean


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    report = check(tmp_path, lines(GOOD, *(row for row, _ in BAD_ROWS.values()), OTHER))
    assert report.rows == 2
    assert report.refused == len(BAD_ROWS)
    assert [problem.line for problem in report.problems] == list(range(2, len(BAD_ROWS) + 2))


def test_a_last_line_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    report = check(tmp_path, lines(GOOD, OTHER) + GOOD[:-6])
    assert (report.rows, report.refused) == (2, 1)
    assert [(problem.kind, problem.line) for problem in report.problems] == [("truncated", 3)]


def test_a_last_line_without_a_line_end_is_a_row(tmp_path: Path) -> None:
    report = check(tmp_path, lines(GOOD) + OTHER)
    assert report.rows == 2
    assert report.clean


def test_a_byte_order_mark_and_windows_line_ends_are_reported_and_read(tmp_path: Path) -> None:
    report = check(tmp_path, b"\xef\xbb\xbf" + GOOD + b"\r\n" + OTHER + b"\r\n")
    assert report.rows == 2
    assert report.clean
    assert [(problem.kind, problem.line, problem.severity) for problem in report.problems] == [
        ("bom", 1, "warning"),
        ("crlf", 1, "warning"),
    ]


def test_an_unknown_format_names_what_was_found_and_what_is_understood(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, lines(b'{"colour": "red", "size": 4}')).problems
    assert "“colour” and “size”" in problem.message
    for known in ("messages", "instruction", "question, answer", "context, target", "text"):
        assert known in problem.remedy


def test_a_line_of_200_megabytes_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b'\n{"question": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b'", "answer": "so"}\n' + GOOD + b"\n")
    tracemalloc.start()
    report = examine(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.rows, report.refused) == (2, 1)
    assert "200 MB" in report.problems[0].message
    assert peak < 3 * ROW_LIMIT


def test_of_many_faults_of_a_kind_the_first_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    report = check(tmp_path, lines(GOOD, *[b"{"] * 1_000))
    assert report.counts == {"cut-line": 1_000}
    assert report.refused == 1_000
    assert len(report.problems) == 200


def test_markup_in_a_row_is_text(tmp_path: Path) -> None:
    report = check(tmp_path, lines(b'{"question": "<script>alert(1)</script>", "answer": "<b>so</b>"}'))
    assert report.clean
