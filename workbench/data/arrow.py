"""Ingested rows on disk: an Arrow stream, written row by row and read memory-mapped.

`datasets.Dataset.from_file` opens the same file. Knows conversations; not where the file came from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from workbench.formats import Reading
from workbench.records.datasets import Conversation, Message

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1_000
_BATCH_CHARACTERS = 16 * 1024 * 1024


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    message = pa.struct([("role", pa.string()), ("content", pa.string()), ("extra", pa.string())])
    return pa.schema(
        [("line", pa.int64()), ("messages", pa.list_(message)), ("text", pa.string()), ("tools", pa.string())]
    )


class RowWriter:
    """Appends rows to a new file, column by column; holds one batch in memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._schema = _schema()
        self._stream: Any = pa.ipc.new_stream(str(path), self._schema)
        self._rows: list[Reading] = []
        self._characters = 0

    def add(self, row: Reading) -> None:
        """Append `row`, which is used."""
        self._rows.append(row)
        self._characters += len(row.text or "") + sum(len(said[1]) for said in row.said)
        if len(self._rows) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        ends = list(accumulate((len(row.said) for row in self._rows), initial=0))
        said = [turn for row in self._rows for turn in row.said]
        turns = pa.StructArray.from_arrays(
            [pa.array([turn[part] for turn in said], pa.string()) for part in range(3)], ["role", "content", "extra"]
        )
        columns = [
            pa.array([row.line for row in self._rows], pa.int64()),
            pa.ListArray.from_arrays(pa.array(ends, pa.int32()), turns),
            pa.array([row.text for row in self._rows], pa.string()),
            pa.array([row.tools for row in self._rows], pa.string()),
        ]
        self._stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows = []
        self._characters = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._stream.close()


class Conversations(Sequence[Conversation]):
    """The rows of a file that a `RowWriter` wrote, read from the memory map when they are asked for."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            self._batches: list[pyarrow.RecordBatch] = list(reader)
        self._ends = list(accumulate(batch.num_rows for batch in self._batches))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | list[Conversation]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        batch = bisect_right(self._ends, row)
        start = self._ends[batch - 1] if batch else 0
        return _conversation(self._batches[batch].slice(row - start, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Conversation]:
        return (_conversation(row) for batch in self._batches for row in batch.to_pylist())

    def scattered(self, seed: int = 0) -> Iterator[Conversation]:
        """Every row once, in an order of chance a batch at a time: the first of them stand for all."""
        order = list(self._batches)
        Random(seed).shuffle(order)
        return (_conversation(row) for batch in order for row in batch.to_pylist())

    def place(self, line: int) -> int | None:
        """The index of the row of that line; None when no row is of it."""
        start = 0
        for batch in self._batches:
            lines = batch.column(0).to_numpy()
            found = (lines == line).nonzero()[0]
            if len(found):
                return start + int(found[0])
            start += batch.num_rows
        return None


def _conversation(row: dict[str, Any]) -> Conversation:
    messages = tuple(Message(**message) for message in row["messages"])
    return Conversation(line=row["line"], messages=messages, text=row["text"], tools=row.get("tools") or "")
