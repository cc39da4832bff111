"""What the answers of a batch come to: metrics for each pane, differences to the base, who is taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.playground.batch_folder import BatchFolder, Key
from workbench.playground.batch_records import (
    DEFAULT_METRICS,
    BatchAnswer,
    BatchFigures,
    MetricChoice,
    MetricFigures,
    Scoring,
)
from workbench.playground.expression import Expression
from workbench.playground.labels import Confusion, confusion, labels_in
from workbench.playground.metrics import METRICS, Given, Matches, Metric
from workbench.playground.significance import Difference, differences

if TYPE_CHECKING:
    from workbench.playground.significance import Table

FIELD = "scoring.metrics"
Statistics = tuple[float, ...] | None


def metric_choices() -> list[MetricChoice]:
    """Every metric there is."""
    return [
        MetricChoice(kind=kind, title=metric.title, source=metric.source, needs_reference=metric.needs_reference)
        for kind, metric in METRICS.items()
    ]


def checked_scoring(scoring: Scoring, references: int) -> Scoring:
    """`scoring` with its metrics in their order.

    Raises `WorkbenchError` for an unknown metric, a broken expression, and when metrics were chosen that need
    reference answers where there are none; those that are merely usual are left out then.
    """
    unknown = [kind for kind in scoring.metrics if kind not in METRICS]
    if unknown:
        raise WorkbenchError(
            f"There is no metric “{unknown[0]}”.", remedy=f"Choose among: {', '.join(METRICS)}.", field=FIELD
        )
    if Matches.kind in scoring.metrics and not scoring.expression:
        raise WorkbenchError(
            "The metric “own expression” needs an expression.", remedy="Write one.", field="scoring.expression"
        )
    wanted = set(scoring.metrics)
    if scoring.expression:
        Expression(scoring.expression)
        wanted.add(Matches.kind)
    needing = {kind for kind in wanted if METRICS[kind].needs_reference} if not references else set()
    if needing and scoring.metrics != DEFAULT_METRICS:
        titles = ", ".join(METRICS[kind].title for kind in METRICS if kind in needing)
        raise WorkbenchError(
            f"These prompts have no reference answers, which is what these metrics need: {titles}.",
            remedy="Choose a file with a column of answers, or leave these metrics out.",
            field=FIELD,
        )
    return scoring.model_copy(update={"metrics": tuple(kind for kind in METRICS if kind in wanted - needing)})


class Scorer:
    """The figures of one batch under one scoring; what was computed of an answer is remembered."""

    def __init__(self, folder: BatchFolder) -> None:
        self._folder = folder
        self.scoring = folder.scoring
        self._expression = Expression(self.scoring.expression) if self.scoring.expression else None
        self.metrics: list[Metric] = [
            Matches(self._expression) if kind == Matches.kind else METRICS[kind]() for kind in self.scoring.metrics
        ]
        self.labels = labels_in(prompt.reference for prompt in folder.prompts)
        self._known: dict[Key, tuple[BatchAnswer, list[Statistics]]] = {}
        self._figures: tuple[int, bool, BatchFigures] | None = None

    def statistics(self, answer: BatchAnswer) -> list[Statistics]:
        """What each metric sums of `answer`."""
        key = (answer.row, answer.pane)
        known = self._known.get(key)
        if known is None or known[0] is not answer:
            known = (
                answer,
                [None if answer.problem else metric.statistics(self._given(answer)) for metric in self.metrics],
            )
            self._known[key] = known
        return known[1]

    def scores(self, answer: BatchAnswer) -> dict[str, float]:
        """The figures of one answer alone."""
        pairs = zip(self.metrics, self.statistics(answer), strict=True)
        return {metric.kind: metric.of_one(found) for metric, found in pairs if found is not None}

    def figures(self, *, differing: bool) -> BatchFigures:
        """Everything; with `differing` the significance too, which takes a moment."""
        edition = self._folder.edition
        if self._figures is None or self._figures[:2] != (edition, differing):
            self._figures = (edition, differing, self._computed(self._folder.known(), differing))
        return self._figures[2]

    def _computed(self, answers: dict[Key, BatchAnswer], differing: bool) -> BatchFigures:
        panes = len(self._folder.batch.request.panes)
        tables = [self._tables(answers, pane) for pane in range(panes)]
        of_pane = [[answer for key, answer in sorted(answers.items()) if key[1] == pane] for pane in range(panes)]
        good = [[answer for answer in found if not answer.problem] for found in of_pane]
        return BatchFigures(
            metrics=tuple(self._metric(index, tables) for index in range(len(self.metrics))),
            differences=tuple(self._differences(tables)) if differing else (),
            labels=self.labels,
            confusion=tuple(self._confusion(found) for found in good) if self.labels else (),
            answered=tuple(map(len, good)),
            errors=tuple(len(found) - len(fine) for found, fine in zip(of_pane, good, strict=True)),
            mean_tokens=tuple(sum(answer.tokens for answer in found) / max(1, len(found)) for found in good),
        )

    def _given(self, answer: BatchAnswer) -> Given:
        return Given(
            answer.text,
            self._folder.prompts[answer.row].reference,
            labels=self.labels,
            log_likelihood=answer.log_likelihood,
            reference_tokens=answer.reference_tokens,
        )

    def _tables(self, answers: dict[Key, BatchAnswer], pane: int) -> list[Table]:
        """A table a metric, (prompts, statistics); NaN where an answer has no part."""
        import numpy as np

        rows = len(self._folder.prompts)
        found: list[list[Statistics]] = [[None] * rows for _ in self.metrics]
        for row in range(rows):
            answer = answers.get((row, pane))
            if answer is not None:
                for index, statistics in enumerate(self.statistics(answer)):
                    found[index][row] = statistics
        tables = []
        for column in found:
            width = next((len(statistics) for statistics in column if statistics is not None), 1)
            tables.append(
                np.array([statistics or (np.nan,) * width for statistics in column], float).reshape(rows, width)
            )
        return tables

    def _metric(self, index: int, tables: Sequence[Sequence[Table]]) -> MetricFigures:
        import numpy as np

        metric = self.metrics[index]
        values: list[float | None] = []
        counted = []
        for pane in tables:
            table = pane[index][~np.isnan(pane[index]).any(axis=1)]
            counted.append(len(table))
            values.append(float(metric.figure(table.sum(axis=0))) if len(table) else None)
        return MetricFigures(
            kind=metric.kind,
            title=metric.title,
            source=metric.source,
            signature=metric.signature,
            higher_is_better=metric.higher_is_better,
            values=tuple(values),
            counted=tuple(counted),
            note=self._note(metric, counted),
        )

    def _note(self, metric: Metric, counted: Sequence[int]) -> str:
        if isinstance(metric, Matches) and self._expression is not None:
            return self._expression.problem
        if any(counted):
            return ""
        if metric.needs_reference and not self._folder.batch.references:
            return "The prompts have no reference answers."
        if metric.kind == "label_accuracy":
            return "The references are not few distinct labels." if not self.labels else ""
        unscored = [answer.unscored for answer in self._folder.known().values() if answer.unscored]
        return unscored[0] if metric.kind == "perplexity" and unscored else ""

    def _differences(self, tables: Sequence[Sequence[Table]]) -> list[Difference]:
        found: list[Difference] = []
        for pane in range(1, len(tables)):
            fitting = [
                index for index in range(len(self.metrics)) if tables[0][index].shape == tables[pane][index].shape
            ]
            found += differences(
                [self.metrics[index] for index in fitting],
                [tables[0][index] for index in fitting],
                [tables[pane][index] for index in fitting],
                pane,
            )
        return found

    def _confusion(self, answers: Sequence[BatchAnswer]) -> Confusion:
        prompts = self._folder.prompts
        pairs = [(prompts[answer.row].reference, answer.text) for answer in answers]
        return confusion([(reference, text) for reference, text in pairs if reference is not None], self.labels)
