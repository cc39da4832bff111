"""A file of any size as numbered lines, in bounded memory: a line beyond the limit is measured, not kept.

Knows bytes and line ends; not what stands in a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class Chunk(NamedTuple):
    """Lines that follow one another, without their ends: a tuple a line would cost as much as reading it."""

    first: int
    """Number of the first, counted from 1."""
    lines: list[bytes]
    unescaped: bool
    """As of each line."""
    bytes: int = 0
    """Length of a line beyond the limit, which stands alone and of which only the beginning is there."""
    last: bool = False
    """Whether the file ends right behind, without a line end."""

    def each(self) -> Iterator[Line]:
        """The lines one by one."""
        for number, raw in enumerate(self.lines, self.first):
            yield Line(number, raw, self.bytes or len(raw), self.last, self.unescaped)


def read_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Every line of `file` from where it stands; takes memory for one line of the limit and a megabyte."""
    number = 1
    pieces: list[bytes] = []
    length = 0
    plain = True
    while read := file.read(_CHUNK):
        unescaped = no_escapes(read)
        head, *lines = read.split(b"\n")
        if length <= ROW_LIMIT:
            pieces.append(head)
        length += len(head)
        plain = plain and unescaped
        if not lines:
            continue
        yield _joined(number, pieces, length, plain)
        tail = lines.pop()
        if lines:
            yield Chunk(number + 1, lines, unescaped)
        number += 1 + len(lines)
        pieces, length, plain = [tail], len(tail), unescaped
    if length:
        yield _joined(number, pieces, length, plain)._replace(last=True)


def _joined(number: int, pieces: Sequence[bytes], length: int, unescaped: bool) -> Chunk:
    """The line in `pieces`, or the beginning of one that is too long."""
    raw = b"".join(pieces)
    return Chunk(number, [raw], unescaped) if length <= ROW_LIMIT else Chunk(number, [raw[:_HEAD]], False, length)


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """The same, line by line."""
    for chunk in read_chunks(file):
        yield from chunk.each()


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
