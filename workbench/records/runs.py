"""A run: where it stands, what it has saved, and what it has logged."""

from __future__ import annotations

from enum import StrEnum

from workbench.errors import Problem
from workbench.records import Record


class RunStatus(StrEnum):
    """Where a run stands; one word, shown as it is."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def active(self) -> bool:
        """Whether a worker is, or is about to be, at work."""
        return self in (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING)

    @property
    def over(self) -> bool:
        """Whether nothing more comes unless the run is resumed."""
        return self in (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED)


class Checkpoint(Record):
    """A state of a run on disk whose manifest holds."""

    name: str
    """``checkpoint-200``."""
    step: int
    bytes: int
    eval_loss: float | None = None


class Run(Record):
    """One run as lists and pages show it: folded from its folder."""

    id: str
    name: str
    note: str = ""
    tags: tuple[str, ...] = ()
    status: RunStatus
    created: float
    """Unix time, as are the two below."""
    started: float | None = None
    ended: float | None = None
    base_model: str
    dataset: str
    method: str
    rank: int | None = None
    alpha: float | None = None
    target_modules: str = ""
    trainable: int | None = None
    phase: str = ""
    phase_detail: str = ""
    phase_done: float | None = None
    """Share of the phase that is done, 0 to 1, when the worker knows it."""
    step: int = 0
    total_steps: int | None = None
    epoch: float | None = None
    loss: float | None = None
    eval_loss: float | None = None
    best_eval_loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    updated: float | None = None
    """Unix time of the last sign of life."""
    stalled: bool = False
    """Alive, yet its heart has not beaten for a while."""
    problem: str = ""
    """Why it failed or was interrupted, one sentence."""
    remedy: str = ""
    field_problems: tuple[Problem, ...] = ()
    """Of a run that was refused: each setting that is wrong."""
    log_tail: str = ""
    """The last lines of its log, kept with a failure."""
    checkpoints: tuple[Checkpoint, ...] = ()
    continues: str | None = None
    """The run that this one continues, or ``RUN/checkpoint-200`` where it starts from that checkpoint."""
    pin: bool = False
    archived: bool = False
    cause: str = ""
    """A stable short name of why it failed: ``out-of-memory``, ``disk-full``, …"""
    warnings: tuple[str, ...] = ()
    """The last few things its worker warned of."""
    attempts: int = 0
    """How often a worker was started for it."""
    tokens: int | None = None
    """Real tokens seen so far."""
    elapsed: float | None = None
    """Seconds of training in all attempts."""
    memory_bytes: int | None = None
    """At the last logged step: on a graphics card what is allocated there, else the worker's resident memory."""
    process_bytes: int | None = None
    """Resident memory of its worker at this moment."""
    lane: str = ""
    """The device its worker is at work on: ``cpu``, ``gpu-0``, …"""


class StepColumns(Record):
    """The logged steps of a run, a column a measure, all of one length."""

    seq: tuple[int, ...] = ()
    time: tuple[float, ...] = ()
    step: tuple[int, ...] = ()
    epoch: tuple[float, ...] = ()
    loss: tuple[float | None, ...] = ()
    """None where it was not a finite number; so are the other measures."""
    learning_rate: tuple[float | None, ...] = ()
    grad_norm: tuple[float | None, ...] = ()
    tokens: tuple[int, ...] = ()
    tokens_per_second: tuple[float | None, ...] = ()
    elapsed: tuple[float, ...] = ()
    memory_bytes: tuple[int, ...] = ()


class EvaluationColumns(Record):
    """The evaluations of a run, a column a measure, all of one length."""

    seq: tuple[int, ...] = ()
    time: tuple[float, ...] = ()
    step: tuple[int, ...] = ()
    loss: tuple[float | None, ...] = ()
    tokens: tuple[int, ...] = ()


class SampleAnswer(Record):
    """What the model answered to a sample prompt in the middle of its training."""

    seq: int
    time: float
    step: int
    prompt: str
    text: str
    tokens: int
    cut: bool
    """Whether its greatest length ended it."""


class RankState(Record):
    """The ranks that the modules of an adapter have left at a step."""

    seq: int
    time: float
    step: int
    total: int
    ranks: str
    """A JSON object of module name and rank."""


class MetricsDelta(Record):
    """What a run logged since a reader last asked."""

    run: str
    cursor: int
    """To be handed in as ``after`` the next time."""
    reset: bool
    """True when earlier steps were superseded, so that this holds everything: drop what was drawn before."""
    steps: StepColumns
    evaluations: EvaluationColumns
    answers: tuple[SampleAnswer, ...] = ()
    ranks: tuple[RankState, ...] = ()
