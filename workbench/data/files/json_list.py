"""One JSON list of objects, cut into its elements without ever holding the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from workbench.data.files.json_lines import parse
from workbench.data.files.lines import Line, no_escapes
from workbench.data.files.rows import ROW_LIMIT, Note, NumberedRow
from workbench.formats.wording import error

_CHUNK = 1 << 20
_HEAD = 200
_QUOTE, _COMMA = b'",'
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)
"""A whole text, or one mark; a lone quotation mark is a text that goes on in the next chunk."""


def read(stream: BinaryIO, note: Note) -> Iterator[NumberedRow]:
    """The elements of the list, numbered from 1."""
    cutter = _Cutter()
    number = 0
    while chunk := stream.read(_CHUNK):
        for element in cutter.feed(chunk):
            number += 1
            yield _row(number, element)
        if cutter.over:
            break
    rest = cutter.rest()
    if cutter.over:
        yield from _behind(number, rest + stream.read(_HEAD))
        return
    if rest.strip():
        number += 1
    yield NumberedRow(
        max(number, 1),
        error(
            max(number, 1),
            "truncated",
            f"The list is not closed: the file ends in row {max(number, 1):,}.",
            "Save or download the file again.",
            rest[-_HEAD:].decode("utf-8", "replace"),
        ),
    )


def _behind(number: int, rest: bytes) -> Iterator[NumberedRow]:
    if rest.strip():
        fault = error(
            number, "not-json", "Something stands behind the list.", "Remove it.", rest.decode("utf-8", "replace")
        )
        yield NumberedRow(number, fault)


def _row(number: int, element: bytes) -> NumberedRow:
    raw = element.strip()
    if not raw:
        fault = error(number, "not-json", f"Row {number:,} is empty: two commas, or one too many.", "Remove a comma.")
        return NumberedRow(number, fault)
    too_long = len(raw) > ROW_LIMIT
    line = Line(number, raw[:_HEAD] if too_long else raw, len(raw), last=False)
    return NumberedRow(number, parse(line), not too_long and no_escapes(raw))


class _Cutter:
    """Finds the commas that part the elements: those one level deep, outside of texts."""

    def __init__(self) -> None:
        self.over = False
        """Whether the list's end was seen."""
        self._buffer = b""
        self._depth = 0
        self._seen = 0
        """How much of the buffer was looked through."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The elements that are whole with `chunk`."""
        self._buffer += chunk
        begin = 0
        for mark in _MARKS.finditer(self._buffer, self._seen):
            first = self._buffer[mark.start()]
            if mark.end() - mark.start() > 1:
                continue
            if first == _QUOTE:
                self._seen = mark.start()
                self._shorten_text()
                break
            if first in b"{[":
                self._depth += 1
                if self._depth == 1:
                    begin = mark.end()
            elif first in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    last = self._buffer[begin : mark.start()]
                    self._keep(mark.end())
                    self.over = True
                    if last.strip():
                        yield last
                    return
            elif first == _COMMA and self._depth == 1:
                yield self._buffer[begin : mark.start()]
                begin = mark.end()
        else:
            self._seen = len(self._buffer)
        self._keep(begin)

    def rest(self) -> bytes:
        """What was not handed out."""
        return self._buffer

    def _shorten_text(self) -> None:
        """Of a text beyond any use, keep the beginning and whether its next character is escaped."""
        text = self._buffer[self._seen :]
        if len(text) > 2 * ROW_LIMIT:
            escapes = len(text) - len(text.rstrip(b"\\"))
            filled = text[:_HEAD].rstrip(b"\\") + b"x" * ROW_LIMIT + b"\\" * (escapes % 2)
            self._buffer = self._buffer[: self._seen] + filled

    def _keep(self, begin: int) -> None:
        """Forget what was handed out; of an element beyond any use only so much that it is seen to be too long."""
        self._buffer = self._buffer[begin:]
        self._seen = max(0, self._seen - begin)
        if self._seen > 2 * ROW_LIMIT:
            self._buffer = self._buffer[: ROW_LIMIT + 1] + self._buffer[self._seen :]
            self._seen = ROW_LIMIT + 1
