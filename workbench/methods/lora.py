"""LoRA: a frozen weight W gets a trained low-rank update (alpha / rank)·B·A (Hu et al. 2021, section 4.1)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.config import METHODS, Method, Task
from workbench.errors import Problem
from workbench.records import Blueprint, Module, ParameterCount


@METHODS.add("lora")
class Lora(Method):
    """Two small matrices beside each target module."""

    title: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = "Trains two small matrices beside each target module; the base model stays as it is."
    order: ClassVar[int] = 0
    kind: Literal["lora"] = "lora"
    rank: int = Field(
        8,
        ge=1,
        le=4096,
        title="Rank",
        description="Inner width of the two matrices: more can learn more, and costs more.",
    )
    alpha: float = Field(
        16, gt=0, le=65536, title="Alpha", description="Strength of the update: it is scaled by alpha / rank."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, title="Dropout", description="Share of the adapter's inputs that are dropped while training."
    )
    target_modules: tuple[str, ...] | str = Field(
        "all-linear",
        title="Target modules",
        description="Names of the modules that get an adapter, all-linear, or a regular expression.",
    )

    def targets(self, blueprint: Blueprint) -> tuple[Module, ...]:
        raise NotImplementedError

    def count(self, blueprint: Blueprint) -> ParameterCount:
        raise NotImplementedError

    def check(self, blueprint: Blueprint) -> list[Problem]:
        raise NotImplementedError

    def peft_config(self, task: Task) -> Any:
        raise NotImplementedError
