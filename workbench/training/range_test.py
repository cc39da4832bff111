"""A learning-rate range test (Smith 2017, section 3.3): the run's own steps under a learning rate that climbs.

Everything is as the run would have it: base model, adapter, rows, batches, loss, optimizer, clipping; only the schedule
is another one, and nothing is saved. Which rates are tried and what they say stands in `workbench.runs.range_curve`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil
import torch

from workbench.events import Finished, Phase, Started, StepLogged
from workbench.records.datasets import Dataset
from workbench.runs.range_curve import MOST_STEPS, SECONDS, RangePlan, has_diverged, plan
from workbench.training.adapter import count_parameters
from workbench.training.preparation import Preparation
from workbench.training.rows import Row, Rows
from workbench.training.trainer import RunTrainer
from workbench.training.worker import Subject, Worker

_UNCOUNTED = 2
"""Steps at the smallest rate before the first that counts: the first one claims memory, the second is timed."""
_OVERTIME = 1.5
"""How many times as long as planned it may take before it ends where it stands."""


class RangeTest(Worker):
    """Goes a run's way as far as its first step, and then its own."""

    def _prepare(self, model_folder: Path) -> tuple[Dataset, Rows, Rows]:
        self.report.enter(Phase.PREPARING_DATA)
        self.stop.obey()
        preparation = Preparation(self.config, self.home, self.report)
        dataset, training = preparation.dataset(), self.config.training
        seen = (MOST_STEPS + _UNCOUNTED) * training.batch_size * training.gradient_accumulation_steps
        return dataset, *preparation.rows(dataset, self._tokenizer(model_folder), most=seen)

    def _train(self, trainer: RunTrainer, subject: Subject) -> None:
        self.stop.obey()
        self.report.enter(Phase.TRAINING, "timing a step")
        steps = Steps(trainer)
        trainable = count_parameters(subject.model, trained=True)
        share = trainable / subject.base_parameters
        lowest = plan(share, 0.0).low
        for _ in range(_UNCOUNTED):
            self.stop.obey()
            seconds = steps.take(lowest).seconds
        planned = plan(share, seconds, SECONDS)
        self.report.write(
            Started(
                total_steps=planned.steps,
                trainable=trainable,
                base_parameters=subject.base_parameters,
                train_rows=len(trainer.lesson.train),
                validation_rows=0,
            )
        )
        self.report.enter(Phase.TRAINING)
        if planned.repeats:
            steps.repeat()
        self._climb(steps, planned, max(SECONDS, planned.steps * seconds) * _OVERTIME)

    def _climb(self, steps: Steps, planned: RangePlan, patience: float) -> None:
        """One step a rate, until the last one, until the loss has diverged, or until `patience` seconds are over."""
        rates: list[float] = []
        losses: list[float] = []
        ends = time.monotonic() + patience
        for number in range(planned.steps):
            if self.stop.made():
                self.report.write(Finished(step=number, stopped=True))
                return
            taken = steps.take(planned.rate(number))
            self.report.write(steps.event(number + 1, taken))
            self.report.reach(number + 1)
            rates.append(taken.learning_rate)
            losses.append(taken.loss)
            if has_diverged(rates, losses):
                break
            if time.monotonic() > ends:
                self.report.warn("The machine grew slower on the way: the largest learning rates were not tried.")
                break
        self.report.write(Finished(step=len(rates), stopped=False))


class Taken:
    """One optimizer step that was taken, as far as the loss allowed."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.loss = 0.0
        """Before the step, so what the rates below this one have made of the model."""
        self.grad_norm = math.nan
        self.tokens = 0
        self.seconds = 0.0


class Steps:
    """The optimizer steps of a run, each under a learning rate of its own."""

    def __init__(self, trainer: RunTrainer) -> None:
        self._trainer = trainer
        self._batches: Iterator[Sequence[Row]] = _endless(trainer)
        self._optimizer: Any = trainer.create_optimizer()
        base = trainer.lesson.training.learning_rate
        self._factors = [group["lr"] / base for group in self._optimizer.param_groups]
        self._weights = [weight for weight in trainer.subject.parameters() if weight.requires_grad]
        self._tokens = 0
        self._elapsed = 0.0
        trainer.subject.train()

    def repeat(self) -> None:
        """See the rows of the next step again and again from now on."""
        accumulated = self._trainer.lesson.training.gradient_accumulation_steps
        self._batches = cycle(list(islice(self._batches, accumulated)))

    def take(self, learning_rate: float) -> Taken:
        """The next step; a loss that is no finite number is not stepped on."""
        began, training = time.perf_counter(), self._trainer.lesson.training
        taken = Taken(learning_rate)
        batches = [next(self._batches) for _ in range(training.gradient_accumulation_steps)]
        targets = sum(row.targets for rows in batches for row in rows)
        for rows in batches:
            inputs = self._trainer._prepare_inputs(self._trainer.lesson.objective.batch(rows))
            loss = self._trainer.compute_loss(self._trainer.subject, inputs, num_items_in_batch=targets)
            loss.backward()  # type: ignore[no-untyped-call]
            taken.loss += float(loss.detach())
            taken.tokens += int(inputs["tokens"])
        if math.isfinite(taken.loss):
            taken.grad_norm = float(torch.nn.utils.clip_grad_norm_(self._weights, training.max_grad_norm))
            for group, factor in zip(self._optimizer.param_groups, self._factors, strict=True):
                group["lr"] = learning_rate * factor
            self._optimizer.step()
        self._optimizer.zero_grad()
        taken.seconds = time.perf_counter() - began
        self._tokens += taken.tokens
        self._elapsed += taken.seconds
        return taken

    def event(self, step: int, taken: Taken) -> StepLogged:
        """What a run tells of a step."""
        return StepLogged(
            step=step,
            epoch=0.0,
            loss=taken.loss if math.isfinite(taken.loss) else None,
            learning_rate=taken.learning_rate,
            grad_norm=taken.grad_norm if math.isfinite(taken.grad_norm) else None,
            tokens=self._tokens,
            tokens_per_second=taken.tokens / taken.seconds,
            elapsed=self._elapsed,
            memory_bytes=_memory(),
        )


def _memory() -> int:
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else int(psutil.Process().memory_info().rss)


def _endless(trainer: RunTrainer) -> Iterator[Sequence[Row]]:
    """The run's batches in the run's order, one epoch after the other."""
    loader, epoch = trainer.get_train_dataloader(), 0
    while True:
        loader.set_epoch(epoch)
        yield from (batch["rows"] for batch in loader)
        epoch += 1
