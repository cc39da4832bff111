"""Every bad input that users bring, with the very sentences they read; the original stays byte for byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from workbench.data import DatasetLibrary, examine
from workbench.errors import WorkbenchError
from workbench.home import Home

GOOD = json.dumps({"question": "why", "answer": "so"}).encode() + b"\n"
RESAVE = "Correct the line, or write the file with a JSON library."


class Bad(NamedTuple):
    """A file, how many of its rows can be used, and the one problem it has."""

    file: str
    content: bytes
    rows: int
    line: int | None
    message: str
    remedy: str


BAD_INPUTS: dict[str, Bad] = {
    "empty file": Bad("r.jsonl", b"", 0, None, "The file is empty.", "Choose a file with rows in it."),
    "blank lines": Bad("r.jsonl", b"\n \n\n", 0, None, "The file holds no row.", "Choose a file with rows in it."),
    "BOM": Bad(
        "r.jsonl",
        b"\xef\xbb\xbf" + GOOD,
        1,
        1,
        "The file begins with a byte order mark, which was left out.",
        "Save it without.",
    ),
    "UTF-16": Bad(
        "r.jsonl", GOOD.decode().encode("utf-16"), 0, 1, "The file is UTF-16, not UTF-8.", "Save it as UTF-8."
    ),
    "CRLF": Bad(
        "r.jsonl",
        GOOD[:-1] + b"\r\n",
        1,
        1,
        "Lines end as on Windows (CR LF); the CR was left out.",
        "Nothing needs to be done.",
    ),
    "NUL": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": "s\x00"}\n',
        1,
        2,
        "The line holds a NUL byte, at character 33.",
        "The file was damaged or is not text; save it again from its source.",
    ),
    "truncated last line": Bad(
        "r.jsonl",
        GOOD + b'{"question": "how", "answer": "t',
        1,
        2,
        "The last line is cut off at character 32.",
        "Save or download the file again; if a row spans several lines, write each row on one line.",
    ),
    "trailing comma": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": "so",}\n',
        1,
        2,
        "Not JSON at character 35: trailing comma is not allowed.",
        RESAVE,
    ),
    "a JSON list with one bad element": Bad(
        "r.json",
        b'[{"q": "why", "a": "so"}, {"q": "why", "a": }]',
        1,
        2,
        "Not JSON at character 19: unexpected character, expected a JSON value.",
        RESAVE,
    ),
    "deep nesting": Bad(
        "r.jsonl",
        GOOD + b'{"question": ' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
        1,
        2,
        "The line is nested too deeply.",
        "Flatten it; rows are shallow.",
    ),
    "a huge line": Bad(
        "r.jsonl",
        GOOD + b'{"question": "' + b"x" * 9_000_000 + b'", "answer": "so"}\n',
        1,
        2,
        "The line is 9 MB long; no context holds that.",
        "Cut it into several rows.",
    ),
    "a number where text belongs": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": 4}\n',
        1,
        2,
        "answer is a number where text belongs.",
        "Put it in quotation marks, or correct the column.",
    ),
    "null": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": null}\n',
        1,
        2,
        "answer is null.",
        "Fill in the answer, or remove the row.",
    ),
    "a quote never closed": Bad(
        "r.csv",
        b'question,answer\nwhy,so\nhow,"thus\nand,so\n',
        1,
        3,
        "A quotation mark opened in the row of line 3 is never closed; nothing behind it was read.",
        "Close it, or double it where it belongs to the text.",
    ),
    "a Parquet that is not one": Bad(
        "r.parquet",
        GOOD,
        0,
        None,
        "The file is no Parquet file, though it is called one.",
        "Save it as JSON lines, a JSON list, CSV, TSV or Parquet, in UTF-8.",
    ),
    "a zip bomb": Bad(
        "r.jsonl.gz",
        gzip.compress(b" " * 100_000_000),
        0,
        None,
        "The gzip file unfolds into more than 200 times its size, which no text does.",
        "Unpack it yourself and choose the file in it.",
    ),
    "invalid UTF-8": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": "\xff"}\n',
        1,
        2,
        "Byte 32 of the line is not UTF-8.",
        "Save the file as UTF-8.",
    ),
    "a lone surrogate": Bad(
        "r.jsonl",
        GOOD + b'{"question": "why", "answer": "\\ud800"}\n',
        1,
        2,
        "answer holds half of a character (a lone surrogate), which no tokenizer can read.",
        "Save the file again from its source; the text was cut in the middle of a character.",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_input_is_named_in_these_words(name: str, tmp_path: Path, home: Home) -> None:
    bad = BAD_INPUTS[name]
    path = tmp_path / bad.file
    path.write_bytes(bad.content)
    report = examine(path)
    assert report.rows == bad.rows
    assert [(found.line, found.message, found.remedy) for found in report.problems] == [
        (bad.line, bad.message, bad.remedy)
    ]
    library = DatasetLibrary(home)
    if bad.rows:
        assert library.original(library.add(path).id).read_bytes() == bad.content
    else:
        with pytest.raises(WorkbenchError) as refused:
            library.add(path)
        assert (refused.value.message, refused.value.remedy) == (bad.message, bad.remedy)


@pytest.mark.parametrize("file", ["rows.csv", "rows.jsonl"])
def test_markup_in_cells_is_kept_as_it_is(file: str, tmp_path: Path, home: Home) -> None:
    question, answer = "<script>alert(1)</script>", "<b onclick=alert(2)>so</b>"
    row = f"question,answer\n{question},{answer}\n"
    path = tmp_path / file
    path.write_text(row if file.endswith("csv") else json.dumps({"question": question, "answer": answer}) + "\n")
    library = DatasetLibrary(home)
    dataset = library.add(path)
    assert [message.content for message in library.conversations(dataset.id)[0].messages] == [question, answer]
    assert library.report(dataset.id).clean
