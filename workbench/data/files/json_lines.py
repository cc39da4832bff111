"""JSON lines: one object a line, or what is wrong with the line, said so that a person finds it.

orjson reads; only a line that it refuses is looked at twice. Knows no format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from workbench.data.files.lines import Chunk, Line, read_chunks
from workbench.data.files.rows import Note, NumberedRow, quick_row
from workbench.formats.wording import error, excerpt, warning
from workbench.records.datasets import RowProblem

_RESAVE = "Correct the line, or write the file with a JSON library."


def read(stream: BinaryIO, note: Note) -> Iterator[NumberedRow]:
    """The rows of a file of JSON lines; blank lines are none."""
    windows = False
    for chunk in read_chunks(stream):
        windows = windows or _notes_windows_lines(chunk, note)
        for number, raw in enumerate(chunk.lines, chunk.first):
            try:
                row = orjson.loads(raw)
            except orjson.JSONDecodeError:
                if raw and not raw.isspace():
                    yield NumberedRow(number, parse(_line(chunk, number, raw)), chunk.unescaped)
                continue
            if type(row) is dict:
                yield quick_row((number, row, chunk.unescaped))
            else:
                yield NumberedRow(number, parse(_line(chunk, number, raw)))


def _line(chunk: Chunk, number: int, raw: bytes) -> Line:
    return Line(number, raw, chunk.bytes or len(raw), chunk.last)


def _notes_windows_lines(chunk: Chunk, note: Note) -> bool:
    """Whether a line of `chunk` ends with CR, which is noted."""
    first = next((number for number, raw in enumerate(chunk.lines, chunk.first) if raw.endswith(b"\r")), None)
    if first is None:
        return False
    text = "Lines end as on Windows (CR LF); the CR was left out."
    note(warning(first, "crlf", text, "Nothing needs to be done."))
    return True


def parse(line: Line) -> dict[str, Any] | RowProblem:
    """The object in `line`, or the one fault that kept it from being read."""
    if line.too_long:
        return error(
            line.number,
            "long-line",
            f"The line is {line.bytes / 1e6:,.0f} MB long; no context holds that.",
            "Cut it into several rows.",
            line.raw.decode("utf-8", "replace"),
        )
    try:
        found = orjson.loads(line.raw)
    except orjson.JSONDecodeError as fault:
        return _diagnose(line, fault)
    if isinstance(found, dict):
        return found
    return error(
        line.number,
        "not-an-object",
        f"The line is {_NAMES.get(type(found), 'a value')}, not an object.",
        'Each line is one JSON object, such as {"question": "…", "answer": "…"}.',
        found,
    )


_NAMES: dict[type, str] = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}


def _diagnose(line: Line, fault: orjson.JSONDecodeError) -> dict[str, Any] | RowProblem:
    """Why orjson refused `line`; an object after all when only its lone surrogates kept it from being read."""
    if b"\x00" in line.raw:
        return error(
            line.number,
            "nul-byte",
            f"The line holds a NUL byte, at character {line.raw.index(0) + 1:,}.",
            "The file was damaged or is not text; save it again from its source.",
            line.raw.decode("utf-8", "replace"),
        )
    try:
        text = line.raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return error(
            line.number,
            "not-utf-8",
            f"Byte {wrong.start + 1:,} of the line is not UTF-8.",
            "Save the file as UTF-8.",
            line.raw[max(0, wrong.start - 20) : wrong.start + 20].decode("utf-8", "replace"),
        )
    return _diagnose_text(line, text, fault)


def _diagnose_text(line: Line, text: str, fault: orjson.JSONDecodeError) -> dict[str, Any] | RowProblem:
    reason = fault.msg.split(": line ")[0]
    around = text[max(0, fault.pos - 40) : fault.pos + 40]
    if "depth limit" in reason or "recursion" in reason:
        return error(
            line.number, "deep-nesting", "The line is nested too deeply.", "Flatten it; rows are shallow.", text
        )
    if re.search("surrogate", reason):
        return _with_surrogates(line, text, reason)
    if "unexpected end" in reason:
        kind, message = ("truncated", "The last line is cut off") if line.last else ("cut-line", "The JSON is cut off")
        remedy = "Save or download the file again; if a row spans several lines, write each row on one line."
        return error(line.number, kind, f"{message} at character {len(text):,}.", remedy, text[-80:])
    return error(line.number, "not-json", f"Not JSON at character {fault.pos + 1:,}: {reason}.", _RESAVE, around)


def _with_surrogates(line: Line, text: str, reason: str) -> dict[str, Any] | RowProblem:
    """The standard library reads halves of characters; the row's own checks then say in which column they are."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return error(line.number, "not-json", f"Not JSON: {reason}.", _RESAVE, excerpt(text))
    if isinstance(found, dict):
        return found
    return error(line.number, "not-an-object", "The line is not an object.", "Each line is one JSON object.", text)
