"""Ingested rows on disk: an Arrow stream, written row by row and read memory-mapped.

`datasets.Dataset.from_file` opens the same file. Knows conversations; not where the file came from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from workbench.records import Conversation, Message

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1_000
_BATCH_CHARACTERS = 16 * 1024 * 1024


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    return pa.schema([("line", pa.int64()), ("messages", pa.list_(message)), ("text", pa.string())])


class RowWriter:
    """Appends conversations to a new file; holds one batch in memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._schema = _schema()
        self._stream: Any = pa.ipc.new_stream(str(path), self._schema)
        self._batch: list[dict[str, Any]] = []
        self._characters = 0

    def add(self, row: Conversation) -> None:
        """Append `row`."""
        messages = [{"role": message.role, "content": message.content} for message in row.messages]
        self._batch.append({"line": row.line, "messages": messages, "text": row.text})
        self._characters += len(row.text or "") + sum(len(message.content) for message in row.messages)
        if len(self._batch) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._batch:
            self._stream.write_batch(pa.RecordBatch.from_pylist(self._batch, schema=self._schema))
        self._batch = []
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


def _conversation(row: dict[str, Any]) -> Conversation:
    messages = tuple(Message(role=message["role"], content=message["content"]) for message in row["messages"] or ())
    return Conversation(line=row["line"], messages=messages, text=row["text"])
