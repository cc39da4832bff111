"""What a worker tells: the typed lines of a run folder's ``events/``, and its heartbeat.

One direction only. Whatever travels back is the file ``stop``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from workbench.errors import Problem
from workbench.records import Record


class Phase(StrEnum):
    """What a worker is busy with, in the order of a run."""

    STARTING = "starting"
    FETCHING_MODEL = "fetching model"
    PREPARING_DATA = "preparing data"
    STUDYING = "studying data"
    """Some methods read rows before they begin."""
    INITIALISING = "initialising"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"


class EventBase(Record):
    """What every line has."""

    seq: int = 0
    """Counts up through all shards of the run, from 1; the writer sets it."""
    time: float = 0.0
    """Unix time; the writer sets it."""


class PhaseChanged(EventBase):
    type: Literal["phase"] = "phase"
    phase: Phase
    detail: str = ""
    done: float | None = None
    """Share of this phase that is done, 0 to 1, when known."""


class Started(EventBase):
    """Once an attempt, when everything is loaded and training is about to begin."""

    type: Literal["started"] = "started"
    total_steps: int
    trainable: int
    base_parameters: int
    train_rows: int
    validation_rows: int


class StepLogged(EventBase):
    type: Literal["step"] = "step"
    step: int
    epoch: float
    loss: float | None
    """Mean cross-entropy of the step's trained tokens, in nats; None when it was not a finite number."""
    learning_rate: float
    grad_norm: float | None
    """Before clipping; None when it was not a finite number."""
    tokens: int
    """Real tokens (no padding) seen by this run so far."""
    tokens_per_second: float
    elapsed: float
    """Seconds of training in all attempts up to here, without evaluation and saving."""
    memory_bytes: int
    """Resident memory of the worker; on a GPU, memory allocated on the device."""


class Evaluated(EventBase):
    type: Literal["evaluation"] = "evaluation"
    step: int
    loss: float
    """Mean cross-entropy over all trained tokens of the validation rows, in nats."""
    tokens: int
    """Trained tokens it is a mean of."""


class Answered(EventBase):
    """What the model, as trained so far, says to one of the run's sample prompts."""

    type: Literal["answer"] = "answer"
    step: int
    prompt: str
    text: str
    tokens: int
    """Of the answer."""
    cut: bool = False
    """Whether it was ended by its greatest length, not by the model."""


class RanksMoved(EventBase):
    """How many ranks each module has left, in a run whose method moves them."""

    type: Literal["ranks"] = "ranks"
    step: int
    total: int
    """All of them together."""
    ranks: str
    """A JSON object of module name and rank."""


class CheckpointSaved(EventBase):
    type: Literal["checkpoint"] = "checkpoint"
    step: int
    name: str
    bytes: int
    eval_loss: float | None = None


class CheckpointRemoved(EventBase):
    type: Literal["checkpoint_removed"] = "checkpoint_removed"
    name: str


class Warned(EventBase):
    type: Literal["warning"] = "warning"
    message: str
    remedy: str = ""


class Resumed(EventBase):
    """The attempt goes on from `step`; later steps of earlier attempts do not count."""

    type: Literal["resumed"] = "resumed"
    step: int


class Finished(EventBase):
    type: Literal["finished"] = "finished"
    step: int
    stopped: bool
    """True when ``stop`` or SIGTERM ended it before its last step."""


class Failed(EventBase):
    type: Literal["failed"] = "failed"
    message: str
    remedy: str
    cause: str
    """A stable short name: ``out-of-memory``, ``disk-full``, ``loss-not-finite``, ``model-unreachable``, …"""
    field_problems: tuple[Problem, ...] = ()
    """Of a refusal: each setting that is wrong."""
    traceback: str = ""


Event = (
    PhaseChanged
    | Started
    | StepLogged
    | Evaluated
    | Answered
    | RanksMoved
    | CheckpointSaved
    | CheckpointRemoved
    | Warned
    | Resumed
    | Finished
    | Failed
)
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


class Heartbeat(Record):
    """Rewritten whole about once a second by the worker."""

    pid: int
    process_started: float
    """psutil's create_time: tells a reused pid from the worker."""
    mark: str = ""
    """The same, from a count that no change of the clock moves; see ``workbench.runs.process``."""
    host: str
    phase: Phase
    step: int
    beat: int
    """Counts up by one a beat: a reader sees life without trusting clocks."""
    monotonic: float
    """The writer's monotonic clock, seconds."""
    memory_bytes: int = 0
    """Resident memory of the worker's process."""
