"""How long a run is and when it evaluates and saves: arithmetic on its settings and the number of its batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.training_config import TrainingConfig


@dataclass(frozen=True)
class Plan:
    """Steps of a run."""

    total_steps: int
    steps_per_epoch: int
    evaluate_every: int
    save_every: int

    @classmethod
    def of(cls, training: TrainingConfig, batches: int) -> Plan:
        """The plan for an epoch of so many batches; without own figures it evaluates and saves ten times."""
        per_epoch = math.ceil(batches / training.gradient_accumulation_steps)
        total = training.max_steps or math.ceil(training.epochs * per_epoch)
        tenth = max(1, math.ceil(total / 10))
        return cls(total, per_epoch, training.evaluate_every or tenth, training.save_every or tenth)

    def evaluates_at(self, step: int) -> bool:
        return step % self.evaluate_every == 0 or step >= self.total_steps

    def saves_at(self, step: int) -> bool:
        return step % self.save_every == 0 or step >= self.total_steps
