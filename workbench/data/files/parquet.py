"""Parquet, read a thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from workbench.data.files.rows import FileRefused, Note, NumberedRow
from workbench.formats.wording import error

_BATCH = 1_000


def read(stream: BinaryIO, note: Note) -> Iterator[NumberedRow]:
    """The rows, numbered from 1. Raises `FileRefused` when the file is none or is damaged."""
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(stream).iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield NumberedRow(number, row)
    except (pyarrow.ArrowException, OSError) as fault:
        where = f"is damaged behind row {number:,}" if number else "is no Parquet file, or is damaged"
        raise FileRefused(
            error(
                None,
                "not-parquet",
                f"The file {where}.",
                "Save or download it again.",
                str(fault).splitlines()[0],
            )
        ) from fault
