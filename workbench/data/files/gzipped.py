"""A gzip file as a stream, which stops when it unfolds into far more than any text does."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO

from workbench.data.files.rows import FileRefused
from workbench.formats.wording import error

_FREE = 64 * 1024 * 1024
_RATIO = 200
"""Text shrinks to a tenth, a log of repetitions to a fiftieth; a bomb to a thousandth."""


class Unzipped(io.RawIOBase):
    """The content of a gzip file. Reading raises `FileRefused` when it is damaged, cut off or a bomb."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._file = gzip.GzipFile(fileobj=packed)
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            found = self._file.read(len(view))
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            raise FileRefused(
                error(
                    None,
                    "broken-gzip",
                    "The gzip file is damaged or cut off.",
                    "Pack or download it again.",
                    str(fault),
                )
            ) from fault
        self._given += len(found)
        if self._given > _FREE and self._given > _RATIO * max(1, self._packed.tell()):
            raise FileRefused(
                error(
                    None,
                    "gzip-bomb",
                    f"The gzip file unfolds into more than {_RATIO} times its size, which no text does.",
                    "Unpack it yourself and choose the file in it.",
                )
            )
        view[: len(found)] = found
        return len(found)
