"""How a run learns: the settings of its training, and what of them cannot be had together."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from workbench.part import Part


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
