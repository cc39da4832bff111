"""Every kind of file gives the same rows; what cannot be read is named, and nothing is ever read into memory whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from workbench.data import DatasetLibrary, Report, examine
from workbench.data.files.rows import ROW_LIMIT
from workbench.errors import WorkbenchError
from workbench.formats import Reading
from workbench.home import Home

ROWS: list[dict[str, Any]] = [
    {"question": 'why, "exactly"', "answer": "so\nit is"},
    {"question": "how [not] {so}", "answer": "thus \\ and é 東"},
    {"question": "where", "answer": "; there \t"},
]


def read(path: Path) -> tuple[Report, list[Reading]]:
    rows: list[Reading] = []
    return examine(path, on_row=rows.append), rows


def as_csv(delimiter: str) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, ["question", "answer"], delimiter=delimiter)
    table.writeheader()
    table.writerows(ROWS)
    return text.getvalue().encode()


def as_parquet() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FILES: dict[str, tuple[str, bytes, str]] = {
    "JSON lines": ("rows.jsonl", LINES, "json lines"),
    "JSON list": ("rows.json", json.dumps(ROWS).encode(), "json list"),
    "indented JSON list": ("rows.json", b"\n " + json.dumps(ROWS, indent=2, ensure_ascii=False).encode(), "json list"),
    "CSV": ("rows.csv", as_csv(","), "csv"),
    "CSV of semicolons": ("rows.csv", as_csv(";"), "csv"),
    "CSV with a byte order mark": ("rows.csv", b"\xef\xbb\xbf" + as_csv(","), "csv"),
    "CSV without a name": ("upload", as_csv(","), "csv"),
    "TSV": ("rows.tsv", as_csv("\t"), "tsv"),
    "Parquet": ("rows.parquet", as_parquet(), "parquet"),
    "gzipped JSON lines": ("rows.jsonl.gz", gzip.compress(LINES), "json lines"),
    "gzipped CSV": ("rows.csv.gz", gzip.compress(as_csv(",")), "csv"),
    "gzip without a name": ("upload", gzip.compress(LINES), "json lines"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    file, content, kind = FILES[name]
    (tmp_path / file).write_bytes(content)
    report, rows = read(tmp_path / file)
    assert report.kind == kind
    assert [{"question": row.said[0][1], "answer": row.said[1][1]} for row in rows] == ROWS
    assert report.refused == 0


def test_rows_of_a_table_are_numbered_by_the_line_they_begin_on(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(as_csv(","))
    assert [row.line for row in read(tmp_path / "rows.csv")[1]] == [2, 4, 5]


def test_chat_turns_fit_into_a_table(tmp_path: Path) -> None:
    turns = json.dumps([{"role": "user", "content": "why"}, {"role": "assistant", "content": "so"}])
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "messages"], ["1", turns]])
    report, rows = read(tmp_path / "rows.csv")
    assert report.format == "messages"
    assert rows[0].said == [("user", "why", ""), ("assistant", "so", "")]


FAULTS: dict[str, tuple[str, bytes, str, int | None]] = {
    "a quote never closed": ("rows.csv", b'question,answer\nwhy,so\nhow,"thus\nand,so\n', "open-quote", 3),
    "a row of three cells": ("rows.csv", b"question,answer\nwhy,so\nhow,thus,what\n", "ragged", 3),
    "a cell that is not UTF-8": ("rows.csv", b"question,answer\nwhy,so\nhow,\xff\n", "not-utf-8", 3),
    "an empty answer in a table": ("rows.csv", b"question,answer\nwhy,so\nhow,\n", "empty-answer", 3),
    "a bad element": ("rows.json", b'[{"q": "why", "a": "so"}, {"q": "why", "a": }]', "not-json", 2),
    "an element that is no object": ("rows.json", b'[{"q": "why", "a": "so"}, 7]', "not-an-object", 2),
    "two commas": ("rows.json", b'[{"q": "why", "a": "so"},, {"q": "how", "a": "so"}]', "not-json", 2),
    "a list cut off": ("rows.json", b'[{"q": "why", "a": "so"}, {"q": "wh', "truncated", 2),
    "a list not closed": ("rows.json", b'[{"q": "why", "a": "so"}', "truncated", 1),
    "something behind the list": ("rows.json", b'[{"q": "why", "a": "so"}] more', "not-json", 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_a_file_is_named_and_the_other_rows_are_used(name: str, tmp_path: Path) -> None:
    file, content, kind, line = FAULTS[name]
    (tmp_path / file).write_bytes(content)
    report, rows = read(tmp_path / file)
    assert (kind, line) in [(problem.kind, problem.line) for problem in report.problems]
    assert (report.rows >= 1) == (name != "a list not closed")
    assert len(rows) == report.rows
    assert not report.clean


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "a Parquet that is not one": ("rows.parquet", LINES, "not-parquet"),
    "a damaged Parquet": ("rows.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1", "not-parquet"),
    "a gzip cut off": ("rows.jsonl.gz", gzip.compress(LINES * 50)[:-20], "broken-gzip"),
    "a gzip that is not one": ("rows.jsonl.gz", b"\x1f\x8bnot gzip at all", "broken-gzip"),
    "a gzip in a gzip": ("rows.jsonl.gz", gzip.compress(gzip.compress(LINES)), "not-rows"),
    "a zip bomb": ("bomb.jsonl.gz", gzip.compress(b"\x20" * 200_000_000, 9), "gzip-bomb"),
    "an empty list": ("rows.json", b"[]", "no-rows"),
    "a table without rows": ("rows.csv", b"question,answer\n", "no-rows"),
    "UTF-16 without a mark": ("rows.jsonl", LINES.decode().encode("utf-16-le"), "utf-16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path, home: Home) -> None:
    file, content, kind = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    report = examine(tmp_path / file)
    assert kind in [problem.kind for problem in report.problems if problem.severity == "error"]
    with pytest.raises(WorkbenchError):
        DatasetLibrary(home).add(tmp_path / file)
    assert list(home.datasets.iterdir()) == []


HUGE: dict[str, tuple[bytes, bytes, bytes]] = {
    "one long text": (b'[{"q": "why", "a": "so"}, {"q": "', b"x\\\\", b'"}, {"q": "how", "a": "so"}]'),
    "one element of many": (
        b'[{"q": "why", "a": "so"}, {"q": [0',
        b',"' + b"y" * 990 + b'"',
        b']}, {"q": "how", "a": "so"}]',
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_element_of_a_list_takes_little_memory(name: str, tmp_path: Path) -> None:
    head, middle, tail = HUGE[name]
    path = tmp_path / "rows.json"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(30):
            file.write(middle * (1_000_000 // len(middle)))
        file.write(tail)
    tracemalloc.start()
    report = examine(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.rows, report.refused) == (2, 1)
    assert [(problem.kind, problem.line) for problem in report.problems] == [("long-line", 2)]
    assert peak < 10 * ROW_LIMIT


def test_a_huge_list_streams(tmp_path: Path) -> None:
    rows = [{"q": f"why {n}", "a": 'so, [it] {is} \\" ' + "x" * (n % 700)} for n in range(8_000)]
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=1))
    report, found = read(tmp_path / "rows.json")
    assert report.refused == 0
    assert [row.said[0][1] for row in found] == [row["q"] for row in rows]
    assert found[-1].said[1][1] == rows[-1]["a"]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"".join(b'{"text": "row %d"}\n' % n for n in range(150_000)))
    shares: list[float] = []
    examine(tmp_path / "rows.jsonl", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.6
    assert shares[-1] > 0.9


def test_lines_across_the_borders_of_chunks_stay_whole(tmp_path: Path) -> None:
    rows = [{"q": f"why {n}", "a": f"{n} " + "so " * (n * 37 % 9_000)} for n in range(300)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report, found = read(tmp_path / "rows.jsonl")
    assert report.refused == 0
    assert [(row.said[0][1], row.said[1][1]) for row in found] == [(row["q"], row["a"]) for row in rows]


def test_repeats_are_told_apart_by_how_alike_they_are(tmp_path: Path) -> None:
    answers = ("So it is.", "so it  is", "So it is.", "so it  is", "Not so.")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"q": "why", "a": words}) + "\n" for words in answers))
    report, _ = read(tmp_path / "rows.jsonl")
    assert [(problem.line, problem.kind) for problem in report.problems] == [
        (2, "near-duplicate"),
        (3, "duplicate"),
        (4, "duplicate"),
    ]
