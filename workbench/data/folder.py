"""The folder of one dataset: what lies in it under which name.

``original`` byte for byte, ``rows.arrow`` with what can be trained on, ``problems.jsonl`` with every fault,
``report.json`` with the counts, ``steps.json`` with the edits and the layout, and ``dataset.json``, written last.
An edited dataset has no ``original`` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.data.arrow import Conversations, RowWriter
from workbench.data.editing import Step
from workbench.data.examination import Progress, Report, examine
from workbench.data.files.rows import Note
from workbench.data.survey import Survey
from workbench.formats import Layout, Reading
from workbench.records import Record
from workbench.records.datasets import Conversation, Dataset, RowProblem


class Recipe(Record):
    """How a dataset came about."""

    file: str = ""
    """What the user called the file: the hint to its kind."""
    layout: Layout | None = None
    """As which columns were read, when the user said so."""
    steps: tuple[Step, ...] = ()
    """The edits since the file."""


class DatasetFolder:
    """Names and reads the files of one dataset; writes them into a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.original = path / "original"
        self._record = path / "dataset.json"
        self._rows = path / "rows.arrow"
        self._problems = path / "problems.jsonl"
        self._report = path / "report.json"
        self._recipe = path / "steps.json"

    def exists(self) -> bool:
        """Whether the dataset is whole: its record is written last."""
        return self._record.is_file()

    def dataset(self) -> Dataset:
        """Its record."""
        return Dataset.model_validate_json(self._record.read_text(encoding="utf-8"))

    def recipe(self) -> Recipe:
        """How it came about."""
        return Recipe.model_validate_json(self._recipe.read_text(encoding="utf-8"))

    def report(self) -> Report:
        """What was found when it was ingested."""
        return Report.model_validate_json(self._report.read_text(encoding="utf-8"))

    def problems(self) -> Iterator[RowProblem]:
        """Every problem, in the order of the lines."""
        with self._problems.open(encoding="utf-8") as lines:
            yield from map(RowProblem.model_validate_json, lines)

    def conversations(self) -> Conversations:
        """Its rows, memory-mapped."""
        return Conversations(self._rows)

    def ingest(self, recipe: Recipe, progress: Progress) -> Report:
        """Read ``original`` into rows and problems."""
        layout = recipe.layout.format() if recipe.layout else None
        with RowWriter(self._rows) as rows, self._noting() as note:
            return examine(self.original, layout, name=recipe.file, on_row=rows.add, on_problem=note, progress=progress)

    def rewrite(self, step: Step, before: DatasetFolder, other: DatasetFolder | None) -> Report:
        """Write the rows of `before` after `step`; a report on them in the words of the one before."""
        rows = step.apply(before.conversations(), other.conversations() if other else ())
        return self._write_rows(rows, before.report())

    def _write_rows(self, rows: Iterable[Conversation], before: Report) -> Report:
        survey = Survey()
        with RowWriter(self._rows) as writer, self._noting() as note:
            for row in rows:
                reading = Reading.of(row)
                repeat = survey.add(reading)
                if repeat:
                    note(repeat)
                writer.add(reading)
        statistics = survey.statistics()
        return before.model_copy(
            update={
                "rows": sum(statistics.turns.values()),
                "refused": 0,
                "counts": {},
                "problems": (),
                "statistics": statistics,
            }
        )

    def finish(self, dataset: Dataset, report: Report, recipe: Recipe) -> None:
        """Write the records, that of the dataset last."""
        self.write_report(report)
        self.write_recipe(recipe)
        self._record.write_text(dataset.model_dump_json(indent=1), encoding="utf-8")

    def write_report(self, report: Report) -> None:
        """Write what was found."""
        self._report.write_text(report.model_dump_json(), encoding="utf-8")

    def write_recipe(self, recipe: Recipe) -> None:
        """Write how the dataset came about."""
        self._recipe.write_text(recipe.model_dump_json(indent=1), encoding="utf-8")

    @contextmanager
    def _noting(self) -> Iterator[Note]:
        with self._problems.open("w", encoding="utf-8") as file:
            yield lambda problem: print(problem.model_dump_json(), file=file)
