"""A file of any size as numbered lines, in bounded memory: a line beyond the limit is measured, not kept.

Knows bytes and line ends; not what stands in a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

LINE_LIMIT = 8 * 1024 * 1024
"""Longest line that is read, in bytes. The longest context there is takes about half of that."""
_CHUNK = 1 << 20
_HEAD = 200


class Line(NamedTuple):
    """One line without its end."""

    number: int
    """Counted from 1."""
    raw: bytes
    """The whole line; of a line beyond the limit its beginning."""
    bytes: int
    """Length in the file, which is more than that of `raw` only beyond the limit."""
    last: bool
    """Whether the file ends right after it, without a line end."""

    @property
    def too_long(self) -> bool:
        """Whether only the beginning was kept."""
        return self.bytes > len(self.raw)


def read_lines(file: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[Line]:
    """Every line of `file` from where it stands; takes memory for one line of `limit` bytes and one chunk."""
    number = 0
    pieces: list[bytes] = []
    length = 0
    while chunk := file.read(_CHUNK):
        first, *others = chunk.split(b"\n")
        length = _keep(pieces, first, length, limit)
        for piece in others:
            number += 1
            yield _line(number, pieces, length, limit, last=False)
            pieces = [piece]
            length = len(piece)
    if length:
        yield _line(number + 1, pieces, length, limit, last=True)


def _keep(pieces: list[bytes], piece: bytes, length: int, limit: int) -> int:
    """Add `piece` to the line that is being read, unless it is too long already; returns the line's new length."""
    if length <= limit:
        pieces.append(piece)
    return length + len(piece)


def _line(number: int, pieces: list[bytes], length: int, limit: int, *, last: bool) -> Line:
    raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return Line(number, raw if length <= limit else raw[:_HEAD], length, last)
