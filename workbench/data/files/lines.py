"""A file of any size as numbered lines, in bounded memory: a line beyond the limit is measured, not kept.

Knows bytes and line ends; not what stands in a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from workbench.data.files.rows import ROW_LIMIT

_CHUNK = 1 << 20
_HEAD = 200
_BACKSLASH = 0x5C
_LETTERS = tuple(b"ubf")


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
    unescaped: bool = False
    """Whether surely no escape stands in it by which JSON writes control characters."""

    @property
    def too_long(self) -> bool:
        """Whether only the beginning was kept."""
        return self.bytes > len(self.raw)


def read_lines(file: BinaryIO, limit: int = ROW_LIMIT) -> Iterator[Line]:
    """Every line of `file` from where it stands; takes memory for one line of `limit` bytes and one chunk."""
    number = 0
    pieces: list[bytes] = []
    length = 0
    before = False
    while chunk := file.read(_CHUNK):
        unescaped = no_escapes(chunk)
        first, *others = chunk.split(b"\n")
        if length <= limit:
            pieces.append(first)
        length += len(first)
        plain = unescaped and (before or length == len(first))
        for piece in others:
            number += 1
            raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            yield Line(number, raw if length <= limit else raw[:_HEAD], length, False, plain)
            pieces = [piece]
            length = len(piece)
            plain = unescaped
        before = plain
    if length:
        raw = b"".join(pieces)
        yield Line(number + 1, raw if length <= limit else raw[:_HEAD], length, True)


def no_escapes(chunk: bytes) -> bool:
    r"""Whether no ``\u``, ``\b`` or ``\f`` and no DEL stands in `chunk`, and no backslash at its end.

    Looked for in a whole chunk at once: most have none, and then no row in it needs a closer look.
    """
    import numpy as np

    if b"\x7f" in chunk or chunk.endswith(b"\\"):
        return False
    marks = np.frombuffer(chunk, np.uint8)
    escaped = marks[np.flatnonzero(marks == _BACKSLASH) + 1]
    return not bool(np.isin(escaped, _LETTERS).any())
