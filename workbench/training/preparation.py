"""From a run's config to the rows it learns from and those it is measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from workbench.config import RunConfig
from workbench.data import DatasetLibrary, partition
from workbench.data.rendering import Encoded, encode_all
from workbench.errors import Problem, WorkbenchError, refuse
from workbench.events import Phase
from workbench.home import Home
from workbench.records.datasets import Conversation, Dataset
from workbench.training.report import Report
from workbench.training.rows import Rows


class Preparation:
    """Renders, tokenises and splits the dataset of a run."""

    def __init__(self, config: RunConfig, home: Home, report: Report) -> None:
        self._config = config
        self._library = DatasetLibrary(home)
        self._report = report

    def dataset(self) -> Dataset:
        """The dataset the run was given; raises `WorkbenchError` when it is gone."""
        return self._library.resolve(self._config.data.dataset)

    def rows(self, dataset: Dataset, tokenizer: Any, most: int | None = None) -> tuple[Rows, Rows]:
        """Training and validation rows; raises `WorkbenchError` when nothing is left to learn from.

        With `most` no more than so many training rows, taken from all over the dataset, and none to validate on.
        """
        data = self._config.data
        train, validation = partition(self._library, data.model_copy(update={"dataset": dataset.id}))
        if most is not None:
            train, validation = train[:: max(1, len(train) // most)][:most], ()

        def encoded(chosen: Iterable[Conversation]) -> Iterator[Encoded]:
            return encode_all(chosen, tokenizer, train_on=data.train_on, max_length=data.max_length)

        wanted = len(train) + len(validation)
        rows = Rows(self._counted(encoded(train), 0, wanted))
        held_out = Rows(self._counted(encoded(validation), len(train), wanted))
        self._judge(rows, held_out)
        if most is None:
            refuse(self._unmeasured(held_out))
        return rows, held_out

    def _unmeasured(self, validation: Rows) -> list[Problem]:
        """What waits for an evaluation of rows that are not there, or of which no answer is left."""
        problems = self._config.unmeasured(len(validation))
        if not validation.empty:
            return problems
        remedy = (
            f"Raise the maximum length: within {self._config.data.max_length} tokens no held-out row has an answer."
        )
        return [replace(problem, remedy=remedy) for problem in problems]

    def _counted(self, encoded: Iterable[Encoded], before: int, wanted: int) -> Iterator[Encoded]:
        for done, row in enumerate(encoded, before):
            self._report.enter(Phase.PREPARING_DATA, f"{done:,} of {wanted:,} rows", done / wanted)
            yield row

    def _judge(self, train: Rows, validation: Rows) -> None:
        cut, empty = train.cut + validation.cut, train.empty + validation.empty
        if not len(train):
            raise WorkbenchError(
                "No row has a token to learn from.",
                remedy="Check the answers of the file, raise the maximum length, or train on all tokens.",
                field="data.train_on",
            )
        if empty:
            self._report.warn(
                f"{empty:,} rows were left out: within {self._config.data.max_length} tokens they have no answer.",
                "Raise the maximum length.",
            )
        if cut:
            self._report.warn(
                f"{cut:,} rows are longer than {self._config.data.max_length} tokens and were cut.",
                "Raise the maximum length, or shorten the rows.",
            )
