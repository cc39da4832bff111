"""AdaLoRA: P·Λ·Q with ranks pruned while training, the budget going where it helps (Zhang et al. 2023, section 3)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from workbench.config import RunConfig
from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.ranked import Ranked, rank_problems
from workbench.methods.redistribution import most_after_moving
from workbench.methods.targeted import Targeted
from workbench.records.base_models import Blueprint, Module
from workbench.task import Task

FEWEST_STEPS = 10
"""Fewer leave no room to prune between the steps before and after."""
_STEPS_TO_BE_SET = 2**31 - 1
"""peft wants the number of steps when it is configured; the worker puts the real one in its place."""


@METHODS.add("adalora")
class AdaLora(Targeted, Ranked):
    """Starts with more rank than it ends with, and takes it from the modules that need it least."""

    title: ClassVar[str] = "AdaLoRA"
    summary: ClassVar[str] = "Starts with more rank than it ends with; training decides which modules keep theirs."
    order: ClassVar[int] = 20
    kind: Literal["adalora"] = "adalora"
    target_rank: int | None = Field(
        None,
        ge=1,
        le=4096,
        title="Target rank",
        description="Mean rank at the end; empty for two thirds of the rank it starts with.",
    )

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.target_rank is not None and self.target_rank > self.rank:
            raise ValueError("method.target_rank: the rank at the end is above the rank at the start")
        return self

    @property
    def final_rank(self) -> int:
        """Mean rank at the end."""
        return self.target_rank or max(1, self.rank * 2 // 3)

    @property
    def scaling(self) -> float:
        return self.alpha / self.rank

    def rank_of(self, module: Module) -> int:
        return self.rank

    def each(self, module: Module, rank: int) -> int:
        return rank * (module.in_features + module.out_features) + rank

    def formula(self, module: Module, rank: int) -> str:
        return f"{rank}·({module.in_features:,} + {module.out_features:,}) + {rank}"

    def bound(self, targets: tuple[Module, ...], trainable: int) -> int | None:
        budget = self.final_rank * len(targets)
        fewer = (self.rank - self.final_rank) * len(targets)
        ranks = [(module, self.rank) for module in targets]
        return trainable - fewer + most_after_moving(ranks, cap=self.rank, budget=budget)

    def check(self, blueprint: Blueprint) -> list[Problem]:
        problems = super().check(blueprint)
        return problems or rank_problems((module, self.rank) for module in self.targets(blueprint))

    def refusals(self, config: RunConfig, *, device: str, rows: int) -> list[Problem]:
        training = config.training
        most_batches = rows if training.batch_tokens else math.ceil(rows / training.batch_size)
        an_epoch = math.ceil(most_batches / training.gradient_accumulation_steps)
        steps = training.max_steps or math.ceil(training.epochs * an_epoch)
        too_short = [too_few_steps(steps)] if steps < FEWEST_STEPS else []
        return [*super().refusals(config, device=device, rows=rows), *too_short]

    def peft_config(self, task: Task) -> Any:
        from peft import AdaLoraConfig

        options: dict[str, Any] = {
            "init_r": self.rank,
            "target_r": self.final_rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "total_step": _STEPS_TO_BE_SET,
        }
        return AdaLoraConfig(task_type=task.peft_type, **options, **self.target_options(task))


def too_few_steps(steps: int) -> Problem:
    """What is wrong with a run of so few steps."""
    return Problem(
        f"AdaLoRA needs at least {FEWEST_STEPS} steps to move its ranks, and this run has {steps}.",
        "Train longer, or choose LoRA.",
        "training.max_steps",
    )
