"""The head of a GGUF file: which keys it has and how long the whole file must be, in milliseconds.

The format's own reader makes a Python object of every word of the vocabulary, which takes seconds; here they are
stepped over. The layout is that of ggml's ``docs/gguf.md``, versions 2 and 3.
"""

from __future__ import annotations

import mmap
import struct
from functools import lru_cache
from math import prod
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.records import Record

_MAGIC = b"GGUF"
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the value types that have a fixed width."""
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
_MOST = 1 << 32
"""More entries than this are no count but noise."""


class GgufHeader(Record):
    """What the head says."""

    keys: tuple[str, ...]
    """The names of its metadata, such as ``tokenizer.chat_template``."""
    bytes_needed: int
    """Length of the whole file."""


def require_whole_gguf(file: Path) -> GgufHeader:
    """The head of `file`; raises `WorkbenchError` unless it is a GGUF file and all of it is there."""
    try:
        status = file.stat()
    except OSError:
        raise _refused(f"There is no file {file}.", "Check the path.") from None
    header = _header(file, status.st_size, status.st_mtime_ns)
    if status.st_size < header.bytes_needed:
        raise _refused(
            f"{file} is cut off: it has {status.st_size:,} of {header.bytes_needed:,} bytes.",
            "Copy or download it anew.",
        )
    return header


@lru_cache(maxsize=64)
def _header(file: Path, size: int, modified: int) -> GgufHeader:
    """Read once for each state of the file."""
    try:
        with file.open("rb") as opened:
            if opened.read(4) != _MAGIC:
                raise _refused(f"{file} is not a GGUF file.", "Name a file that ends in .gguf and was written as one.")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Reader(content).header()
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error}.", "Check the path and its permissions.") from error
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise _refused(f"{file} is cut off or damaged within its head.", "Copy or download it anew.") from error


class _Reader:
    """Steps through the head of one file."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 4

    def header(self) -> GgufHeader:
        version, tensors, keys = self._take("<IQQ")
        if version not in (2, 3) or max(tensors, keys) > _MOST:
            raise ValueError("no head of a version that is known")
        alignment, names = _ALIGNMENT, []
        for _ in range(keys):
            name = self._string().decode("utf-8")
            (kind,) = self._take("<I")
            if name == "general.alignment" and kind == 4:
                (alignment,) = self._take("<I")
            else:
                self._skip(kind)
            names.append(name)
        ends = [self._tensor_end() for _ in range(tensors)]
        start = -(-self._at // alignment) * alignment
        return GgufHeader(keys=tuple(names), bytes_needed=start + max(ends, default=0))

    def _take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _string(self) -> bytes:
        (length,) = self._take("<Q")
        start = self._at
        self._step(length)
        return self._content[start : self._at]

    def _step(self, length: int) -> None:
        self._at += length
        if self._at > len(self._content):
            raise ValueError("the head goes on behind the end of the file")

    def _skip(self, kind: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            self._skip_array()
        else:
            self._step(_WIDTHS[kind])

    def _skip_array(self) -> None:
        kind, count = self._take("<IQ")
        if kind in _WIDTHS:
            self._step(_WIDTHS[kind] * count)
            return
        for _ in range(count):
            self._skip(kind)

    def _tensor_end(self) -> int:
        """Where a tensor's numbers end, counted from where all of them begin."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        self._string()
        (dimensions,) = self._take("<I")
        shape = self._take(f"<{dimensions}Q")
        kind, offset = self._take("<IQ")
        block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        return offset + prod(shape) // block * width


def _refused(message: str, remedy: str) -> WorkbenchError:
    return WorkbenchError(message, remedy=remedy, field="base_model")
