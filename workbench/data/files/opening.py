"""Which kind of file this is, from its first bytes; and the rows in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from workbench.data.files import json_lines, json_list, parquet, tables
from workbench.data.files.gzipped import Unzipped
from workbench.data.files.rows import FileRefused, Note, NumberedRow, Reader
from workbench.formats.wording import error, warning

_HEAD = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHERS: dict[bytes, str] = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"SQLite format 3": "a SQLite database",
    b"ARROW1": "an Arrow file",
}
_UNDERSTOOD = "Save it as JSON lines, a JSON list, CSV, TSV or Parquet, in UTF-8."

Kind = Literal["json lines", "json list", "csv", "tsv", "parquet"]
_READERS: dict[Kind, Reader] = {
    "json lines": json_lines.read,
    "json list": json_list.read,
    "csv": tables.read_csv,
    "tsv": tables.read_tsv,
    "parquet": parquet.read,
}


@dataclass(frozen=True)
class OpenFile:
    """A file of rows, open at its first."""

    kind: Kind
    unit: Literal["line", "row"]
    """What its rows are numbered by."""
    bytes: int
    rows: Iterator[NumberedRow]
    packed: BinaryIO
    packed_as_gzip: bool

    def position(self) -> int:
        """How many bytes of the file were read."""
        return self.packed.tell()


@contextmanager
def open_file(path: Path, name: str, note: Note) -> Iterator[OpenFile]:
    """The rows of the file at `path`, which the user knows as `name`.

    `note` gets what is worth saying of the whole file. Raises `FileRefused` here, or while the rows are read.
    """
    with path.open("rb") as packed:
        size = path.stat().st_size
        stream: BinaryIO = packed
        suffix = Path(name.lower().removesuffix(".gz")).suffix
        if packed.read(2) == _GZIP:
            packed.seek(0)
            stream = io.BufferedReader(Unzipped(packed), _HEAD)
            head = stream.peek(_HEAD)
        else:
            packed.seek(0)
            head = packed.read(_HEAD)
            packed.seek(0)
        kind = _kind(head, suffix, gzipped=stream is not packed)
        if head.startswith(_BOM):
            stream.read(len(_BOM))
            note(warning(1, "bom", "The file begins with a byte order mark, which was left out.", "Save it without."))
        unit: Literal["line", "row"] = "row" if kind in ("json list", "parquet") else "line"
        yield OpenFile(kind, unit, size, _READERS[kind](stream, note), packed, stream is not packed)


def _kind(head: bytes, suffix: str, *, gzipped: bool) -> Kind:
    _refuse(head, suffix, gzipped=gzipped)
    if head.startswith(_PARQUET):
        return "parquet"
    first = head.removeprefix(_BOM).lstrip()[:1]
    if first == b"[":
        return "json list"
    if first != b"{":
        if suffix == ".tsv":
            return "tsv"
        if suffix == ".csv":
            return "csv"
        delimiter = tables.looks_like_table(head.removeprefix(_BOM))
        if delimiter:
            return "tsv" if delimiter == "\t" else "csv"
    return "json lines"


def _refuse(head: bytes, suffix: str, *, gzipped: bool) -> None:
    if not head:
        raise FileRefused(error(None, "empty-file", "The file is empty.", "Choose a file with rows in it."))
    for start, name in _OTHERS.items():
        if head.startswith(start):
            raise FileRefused(error(None, "not-rows", f"The file is {name}.", _UNDERSTOOD))
    if head.startswith(_UTF16) or (_alternates_with_nul(head) and not head.startswith(_PARQUET)):
        raise FileRefused(error(1, "utf-16", "The file is UTF-16, not UTF-8.", "Save it as UTF-8."))
    if suffix == ".parquet" and not head.startswith(_PARQUET):
        raise FileRefused(
            error(None, "not-parquet", "The file is no Parquet file, though it is called one.", _UNDERSTOOD, head[:80])
        )
    if gzipped and head.startswith((_GZIP, _PARQUET)):
        inner = "a gzip file" if head.startswith(_GZIP) else "a Parquet file"
        raise FileRefused(error(None, "not-rows", f"In the gzip file is {inner}.", "Unpack it once and choose that."))


def _alternates_with_nul(head: bytes) -> bool:
    """Whether `head` is UTF-16 of mostly Latin text without a mark in front."""
    half = head[: len(head) // 2 * 2]
    return len(half) >= 4 and max(half[0::2].count(0), half[1::2].count(0)) > 0.4 * len(half) / 2
