"""What an adaptation method says of itself: its fields, what it trains, and how peft is asked for it.

Knows none of them: each is a file in ``methods/``. No torch, no page and no disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.errors import Problem
from workbench.part import Part
from workbench.records.base_models import Blueprint, Module, ParameterCount
from workbench.registry import Registry
from workbench.task import Task

if TYPE_CHECKING:
    from workbench.config import RunConfig


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


METHODS: Registry[Method] = Registry("workbench.methods", "method")
