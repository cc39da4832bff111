"""The rows of a run: those it is trained on, and those it is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, overload

from workbench.config import DataConfig
from workbench.data.editing import Join
from workbench.data.library import DatasetLibrary
from workbench.data.picking import column
from workbench.data.split import Parts, held_out_rows, split, split_grouped, split_stratified
from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.records.datasets import Conversation


class Chosen(Sequence[Conversation]):
    """Some of the rows of a dataset, read when they are asked for."""

    def __init__(self, rows: Sequence[Conversation], indices: Sequence[int]) -> None:
        self._rows = rows
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> Chosen: ...
    def __getitem__(self, index: int | slice) -> Conversation | Chosen:
        if isinstance(index, slice):
            return Chosen(self._rows, self._indices[index])
        return self._rows[self._indices[index]]

    def __iter__(self) -> Iterator[Conversation]:
        return (self._rows[index] for index in self._indices)


class Partition(NamedTuple):
    """What a run learns from and what it is measured on."""

    train: Sequence[Conversation]
    validation: Sequence[Conversation]


def partition(library: DatasetLibrary, data: DataConfig) -> Partition:
    """The rows of `data.dataset`, parted as `data` says. Raises `WorkbenchError` beside the field that is wrong."""
    dataset = library.resolve(data.dataset)
    rows = library.conversations(dataset.id)
    if data.validation_dataset:
        with _beside("data.validation_dataset"):
            own = library.resolve(data.validation_dataset)
        return Partition(rows, library.conversations(own.id))
    train, validation = _parts(library, dataset.id, rows, data)
    return Partition(Chosen(rows, train), Chosen(rows, validation))


class HeldOut(Record):
    """How a dataset is parted."""

    train_rows: int
    validation_rows: int
    repeated: int
    """Held-out rows that say what a row says that is trained on."""


def held_out(library: DatasetLibrary, data: DataConfig) -> HeldOut:
    """The parts of `data.dataset`, counted."""
    train, validation = partition(library, data)
    repeated = len(overlap(train, validation))
    return HeldOut(train_rows=len(train), validation_rows=len(validation), repeated=repeated)


def resolved(library: DatasetLibrary, data: DataConfig) -> DataConfig:
    """`data` with the ids of its datasets in place of their names, so that a run means the same for ever.

    Raises `WorkbenchError` beside the field that is wrong.
    """
    ids: dict[str, str] = {"dataset": library.resolve(data.dataset).id}
    if data.validation_dataset:
        with _beside("data.validation_dataset"):
            ids["validation_dataset"] = library.resolve(data.validation_dataset).id
    return data.model_copy(update=ids)


def validation_rows(library: DatasetLibrary, data: DataConfig) -> int:
    """How many rows `data` holds out; raises `WorkbenchError` beside the field that is wrong."""
    if data.validation_dataset or data.group_by or data.stratify_by:
        return len(partition(library, data).validation)
    return held_out_rows(library.resolve(data.dataset).rows, data.validation_share)


def overlap(train: Sequence[Conversation], validation: Sequence[Conversation]) -> list[tuple[int, int]]:
    """The rows that stand on both sides, as pairs of their lines: eval loss would praise what was learned by heart."""
    seen = {_words(row): row.line for row in train}
    return [(seen[_words(row)], row.line) for row in validation if _words(row) in seen]


def _parts(library: DatasetLibrary, id: str, rows: Sequence[Conversation], data: DataConfig) -> Parts:
    share, seed = data.validation_share, data.split_seed
    if data.group_by:
        with _beside("data.group_by"):
            return split_grouped(_values(library, id, rows, data.group_by), share, seed)
    if data.stratify_by:
        with _beside("data.stratify_by"):
            return split_stratified(_values(library, id, rows, data.stratify_by), share, seed)
    return split(len(rows), share, seed)


def _values(library: DatasetLibrary, id: str, rows: Sequence[Conversation], name: str) -> list[str]:
    recipe = library.recipe(id)
    if any(isinstance(step, Join) for step in recipe.steps):
        raise WorkbenchError(
            "The columns of joined datasets are not kept.",
            remedy="Hold out rows by share, or give a validation dataset.",
        )
    return column(library.original(id), recipe.file, name, [row.line for row in rows])


@contextmanager
def _beside(field: str) -> Iterator[None]:
    """Put what is wrong inside beside `field`."""
    try:
        yield
    except WorkbenchError as error:
        raise WorkbenchError.of(replace(problem, field=field) for problem in error.problems) from error


def _words(row: Conversation) -> int:
    said = row.text if row.text is not None else "\n".join(message.content for message in row.messages)
    return hash(" ".join(said.split()).casefold())
