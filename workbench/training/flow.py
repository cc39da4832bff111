"""The course of the training loop: when to log, evaluate, save and stop, and the clock and counters of its steps."""

from __future__ import annotations

import math
import time
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from workbench.events import StepLogged
from workbench.training.checkpoints import Progress
from workbench.training.plan import Plan
from workbench.training.report import Report
from workbench.training.stopping import StopRequest


class Flow(TrainerCallback):
    """Logs every step; evaluates and saves by plan, saves a new best too; saves and stops when it is asked to."""

    def __init__(
        self, plan: Plan, evaluates: bool, stop: StopRequest, report: Report, patience: int | None = None
    ) -> None:
        self._plan = plan
        self._evaluates = evaluates
        self._stop = stop
        self._report = report
        self._process = psutil.Process()
        self._step_tokens = 0
        self._step_began = 0.0
        self._step_seconds = 0.0
        self.tokens = 0
        self.elapsed = 0.0
        self.eval_loss: float | None = None
        """Of the weights as they are; none when they have not been evaluated."""
        self.best_eval_loss: float | None = None
        self.owes_evaluation = False
        """Whether an evaluation is due and not made."""
        self.fruitless = 0
        """Evaluations in a row without a lower eval loss."""
        self._patience = patience
        self.passes = 1
        """In how many pieces each batch is computed: two, once memory ran out."""

    @property
    def ended_early(self) -> bool:
        """Whether the eval loss has not fallen for as many evaluations as the run was given."""
        return self._patience is not None and self.fruitless >= self._patience

    def evaluated(self, step: int, loss: float) -> bool:
        """Take note of an eval loss, whether it is the lowest so far; says so when it is the one that ends the run."""
        self.eval_loss, self.owes_evaluation = loss, False
        better = self.best_eval_loss is None or loss < self.best_eval_loss
        self.best_eval_loss = loss if better else self.best_eval_loss
        self.fruitless = 0 if better else self.fruitless + 1
        if self.ended_early:
            self._report.warn(
                f"The run ended early, at step {step}: its eval loss had not fallen for {self.fruitless} evaluations.",
                f"The best was {self.best_eval_loss:.4f}; its checkpoint was kept.",
            )
        return better

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._stop.made()

    def go_on_from(self, progress: Progress) -> None:
        """Take up the counters of a checkpoint."""
        self.tokens, self.elapsed, self.eval_loss = progress.tokens, progress.elapsed, progress.eval_loss
        self.best_eval_loss, self.fruitless = progress.best_eval_loss, progress.fruitless
        self.passes, self.owes_evaluation = progress.passes, progress.owes_evaluation

    def take(self, tokens: int) -> None:
        """The next step will see that many real tokens."""
        self._step_tokens = tokens
        self._step_began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._step_seconds = time.perf_counter() - self._step_began
        self.elapsed += self._step_seconds
        self.tokens += self._step_tokens
        self.eval_loss = None
        self._report.reach(state.global_step)
        last = state.global_step >= self._plan.total_steps
        stopping = self.stopping
        control.should_log = True
        self.owes_evaluation = self._evaluates and self._plan.evaluates_at(state.global_step)
        control.should_evaluate = self.owes_evaluation and not stopping
        control.should_save = stopping or self._plan.saves_at(state.global_step)
        control.should_training_stop = stopping or last
        return control

    def progress(self, step: int, fingerprint: str) -> Progress:
        """What a checkpoint of that step says."""
        return Progress(
            step=step,
            tokens=self.tokens,
            elapsed=self.elapsed,
            eval_loss=self.eval_loss,
            best_eval_loss=self.best_eval_loss,
            fruitless=self.fruitless,
            passes=self.passes,
            owes_evaluation=self.owes_evaluation,
            fingerprint=fingerprint,
        )

    def step_logged(self, state: Any, logs: dict[str, float]) -> StepLogged:
        """The event of the step that just ended."""
        return StepLogged(
            step=state.global_step,
            epoch=state.epoch or 0.0,
            loss=_finite(logs["loss"]),
            learning_rate=logs["learning_rate"],
            grad_norm=_finite(logs["grad_norm"]),
            tokens=self.tokens,
            tokens_per_second=self._step_tokens / self._step_seconds,
            elapsed=self.elapsed,
            memory_bytes=self._memory(),
        )

    def _memory(self) -> int:
        if torch.cuda.is_available():
            return torch.cuda.memory_allocated()
        return int(self._process.memory_info().rss)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
