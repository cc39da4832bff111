"""What a batch is asked, what comes of it, and how it is shown: facts without behaviour."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from workbench.data.prompts import PromptColumns
from workbench.playground.labels import Confusion
from workbench.playground.records import PaneChoice, Sampling
from workbench.playground.significance import Difference
from workbench.protocol.model_ids import BASE
from workbench.records import Record
from workbench.records.datasets import Message

MOST_PANES = 8
DEFAULT_METRICS = ("exact_match", "token_f1", "rouge_l", "bleu", "chrf", "label_accuracy")


class BatchPane(Record):
    """One who answers every prompt: a column of the table."""

    model: str = BASE
    base_model: str = ""
    """Empty for that of the batch."""
    endpoint: str = ""
    label: str = Field("", max_length=300)
    system: str = Field("", max_length=100_000)
    """System prompt, put before prompts that have none."""
    sampling: Sampling | None = None
    """Its own; None for that of the batch."""

    @property
    def is_base(self) -> bool:
        """Whether it is the batch's plain base model; another one's, such as a merged model, is named."""
        return self.model == BASE and not self.endpoint and not self.base_model


class PromptSource(Record):
    """Where the prompts come from."""

    kind: Literal["file", "dataset", "run"]
    """A prompt file that was received, a dataset of the library, or the held-out rows of a run."""
    id: str = Field(min_length=1, max_length=300)
    columns: PromptColumns = PromptColumns()


class Scoring(Record):
    """Which figures are wanted; may be changed afterwards."""

    metrics: tuple[str, ...] = DEFAULT_METRICS
    expression: str = Field(
        "", title="Own expression", description="A regular expression that a right answer contains; (?i) ignores case."
    )


class BatchRequest(Record):
    """What a batch is asked to do."""

    name: str = Field("", max_length=200, title="Name")
    base_model: str
    panes: tuple[BatchPane, ...] = Field(max_length=MOST_PANES)
    source: PromptSource
    limit: int | None = Field(
        None, ge=1, title="Limit", description="So many prompts from the beginning; empty for all."
    )
    sampling: Sampling = Sampling(max_tokens=200)
    scoring: Scoring = Scoring()


class Batch(Record):
    """A batch as it was begun; never changed."""

    id: str
    created: float
    """Unix time."""
    request: BatchRequest
    """With the base model as its first pane."""
    source: str
    """What the prompts are called."""
    prompts: int
    references: int
    """Prompts whose good answer is known."""


class BatchStatus(StrEnum):
    """Where a batch stands."""

    RUNNING = "running"
    STOPPED = "stopped"
    """By the user."""
    INTERRUPTED = "interrupted"
    """The server ended meanwhile."""
    FINISHED = "finished"


class BatchAnswer(Record):
    """One pane's answer to one prompt, or why there is none."""

    row: int
    """Place of the prompt, from 0."""
    pane: int
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    finish_reason: str | None = None
    adapter_hash: str | None = None
    cut_turns: int = 0
    """The oldest turns of the conversation, left out where it was longer than the context."""
    problem: str = ""
    remedy: str = ""
    log_likelihood: float | None = None
    """Of the reference answer, in nats."""
    reference_tokens: int = 0
    unscored: str = ""
    """Why the reference's likelihood is not known."""


class BatchState(Record):
    """How far a batch is."""

    batch: Batch
    scoring: Scoring
    status: BatchStatus
    done: int
    """Answers that there are, failed ones included."""
    total: int
    errors: int
    missing: int
    """Answers and likelihoods that “go on” would still ask for, failed ones not included."""
    seconds: float
    """Of work in all attempts."""
    seconds_left: float | None
    tokens_per_second: float | None
    """Written by all panes together."""
    problem: str = ""
    """Why it stopped by itself."""


class MetricFigures(Record):
    """One metric for every pane."""

    kind: str
    title: str
    source: str
    signature: str
    higher_is_better: bool
    values: tuple[float | None, ...]
    """A pane each; None where no answer has a part in it."""
    counted: tuple[int, ...]
    """Answers that have a part, a pane each."""
    note: str = ""
    """Why there is no figure, or why not to trust it."""


class BatchFigures(Record):
    """What the answers come to."""

    metrics: tuple[MetricFigures, ...]
    differences: tuple[Difference, ...]
    labels: tuple[str, ...]
    """Where the references are labels."""
    confusion: tuple[Confusion, ...]
    """A pane each, where the references are labels."""
    answered: tuple[int, ...]
    errors: tuple[int, ...]
    mean_tokens: tuple[float, ...]


class Cell(Record):
    """One answer in the table, with its own figures."""

    answer: BatchAnswer
    scores: dict[str, float]


class BatchRow(Record):
    """One prompt in the table."""

    row: int
    line: int
    messages: tuple[Message, ...]
    reference: str | None
    cells: tuple[Cell | None, ...]
    """A pane each; None while it is not answered."""


class BatchRows(Record):
    """A page of the table."""

    rows: tuple[BatchRow, ...]
    found: int
    """Rows that fit the search."""


class MetricChoice(Record):
    """A metric that can be chosen."""

    kind: str
    title: str
    source: str
    needs_reference: bool


def choice_of(pane: BatchPane, batch: BatchRequest) -> PaneChoice:
    """`pane` as the playground asks it."""
    return PaneChoice(
        id=pane.model, label=pane.label, base_model=pane.base_model or batch.base_model, endpoint=pane.endpoint
    )
