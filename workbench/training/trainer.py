"""transformers' Trainer with our batches, our loss, our evaluation and our checkpoints.

The Trainer keeps what it does well: the loop, accumulation, clipping, optimizer, schedule, restoring their states.
Knows a run only through what it is handed; when to evaluate, save and stop is decided in `flow`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import DefaultFlowCallback, PrinterCallback, ProgressCallback, TrainerCallback

from workbench.events import Evaluated, Phase, RanksMoved
from workbench.training.allocations import give_back
from workbench.training.batches import Batch
from workbench.training.checkpoints import Checkpoints, Progress
from workbench.training.divergence import Divergence
from workbench.training.failures import TrainingFailure, is_memory
from workbench.training.flow import Flow
from workbench.training.learnt import Learnt
from workbench.training.machine import Machine
from workbench.training.moving_ranks import MovingRanks
from workbench.training.noise import EmbeddingNoise
from workbench.training.objective import Objective
from workbench.training.order import Order, RowLoader
from workbench.training.packs import PackChoices
from workbench.training.plan import Plan
from workbench.training.report import Report
from workbench.training.rows import Row, Rows
from workbench.training.samples import Samples
from workbench.training_config import TrainingConfig

_RANKS_TOLD = 20
"""How often a run whose ranks move tells them."""


@dataclass(frozen=True)
class Lesson:
    """Everything one run learns with: rows, settings, and the way its loss is computed."""

    training: TrainingConfig
    plan: Plan
    train: Rows
    order: Order
    validation: Rows
    objective: Objective
    machine: Machine
    fingerprint: str
    learnt: Learnt
    """What training changes, on its way to disk and back."""
    packs: PackChoices | None = None
    """Which matrices are laid out for this CPU."""
    learning_rate_factor: Callable[[str], float] = lambda _: 1.0
    """How many times the learning rate a parameter of that name learns with."""


class RunTrainer(Trainer):
    """Trains `model` on a `Lesson`, telling a `Report` and filling `Checkpoints`."""

    def __init__(
        self, model: Any, lesson: Lesson, flow: Flow, checkpoints: Checkpoints, samples: Samples, report: Report
    ) -> None:
        super().__init__(model=model, args=_arguments(lesson, checkpoints.path), callbacks=[flow])
        for callback in (DefaultFlowCallback, PrinterCallback, ProgressCallback):
            self.remove_callback(callback)
        self.loss_is_scaled_for_ga = True
        self.subject = model
        self.lesson = lesson
        self.flow = flow
        self.checkpoints = checkpoints
        self.report = report
        self.samples = samples
        self.noise = EmbeddingNoise(lesson.objective.model, lesson.training.neftune_alpha)
        self.divergence = Divergence()
        self._step_rows: list[list[Row]] = []
        if lesson.objective.recomputes:
            self.add_callback(_Frugal())
        self.ranks = MovingRanks.of(model)
        if self.ranks:
            self.ranks.plan(lesson.plan.total_steps)
            self.add_callback(_AfterStep(self.ranks, report, lesson.plan.total_steps))

    def learn(self, checkpoint: Path | None, done: int) -> None:
        """Train from the start, or on from `checkpoint`, at which `done` steps were taken."""
        over = done >= self.lesson.plan.total_steps
        if checkpoint and (over or self.flow.owes_evaluation):
            self._load_from_checkpoint(str(checkpoint))
            self.state.global_step = done
            over = not self._make_up_for_evaluation() or over
        if over:
            return
        if checkpoint is None and self.samples.wanted:
            self.samples.answer(self.subject, step=0)
            self.report.enter(Phase.TRAINING)
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def _make_up_for_evaluation(self) -> bool:
        """Make the evaluation that the checkpoint owes, if it does; whether there is training to go on with."""
        if self.flow.owes_evaluation:
            self.evaluate()
            if not self.flow.owes_evaluation:
                self.checkpoints.rate(self._progress)
        return not (self.flow.owes_evaluation or self.flow.ended_early)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The Trainer's own, unless the method lets some parameters learn faster than others."""
        groups: dict[float, list[Tensor]] = {}
        for name, weight in self.subject.named_parameters():
            if weight.requires_grad:
                groups.setdefault(self.lesson.learning_rate_factor(name), []).append(weight)
        if set(groups) == {1.0} or self.optimizer is not None:
            return super().create_optimizer(model)
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.subject)
        rate = self.lesson.training.learning_rate
        shared = options | {"weight_decay": self.lesson.training.weight_decay}
        slowest_first = [{"params": groups[factor], "lr": rate * factor} for factor in sorted(groups)]
        optimizer: torch.optim.Optimizer = kind(slowest_first, **shared)
        self.optimizer = optimizer
        return optimizer

    # --- batches -----------------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> RowLoader:
        return RowLoader(self.lesson.train, self.lesson.order)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, list[Row]]], device: torch.device) -> int:
        """Trained tokens of the whole step, all micro-batches together; the Trainer hands it to `training_step`."""
        rows = [row for batch in batch_samples for row in batch["rows"]]
        self.flow.take(sum(len(row.input_ids) for row in rows))
        self._step_rows = []
        return sum(row.targets for row in rows)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss and gradient of a micro-batch; when memory runs out, the step's all over again in halves."""
        self._step_rows.append(inputs["rows"])
        try:
            return self._passed(model, inputs["rows"], num_items_in_batch)
        except (RuntimeError, MemoryError, OSError) as error:
            if not is_memory(error) or self.flow.passes > 1 or all(len(rows) == 1 for rows in self._step_rows):
                raise
            self._go_in_halves()
        model.zero_grad()  # out here the error is gone, and with its traceback what the failed pass held
        return [self._passed(model, rows, num_items_in_batch) for rows in self._step_rows][-1]

    def _passed(self, model: Any, rows: Sequence[Row], whole_step: Tensor | int | None) -> Tensor:
        size = -(-len(rows) // self.flow.passes)
        pieces = (rows[start : start + size] for start in range(0, len(rows), size))
        batches = (self.lesson.objective.batch(piece) for piece in pieces)
        losses = [super(RunTrainer, self).training_step(model, batch, whole_step) for batch in batches]
        return torch.stack(losses).sum()

    def _go_in_halves(self) -> None:
        self.flow.passes = 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.report.warn(
            f"Memory ran out at step {self.state.global_step + 1}: from here on each batch is computed in two halves.",
            "The effective batch stays the same, and so do the numbers.",
        )

    # --- loss --------------------------------------------------------------------------------------------------------

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """This micro-batch's share of the step's mean: accumulation gives what one large batch would."""
        self.noise.of(inputs)
        with self._autocast():
            whole_step = num_items_in_batch or len(inputs["targets"])
            loss = self.lesson.objective(inputs) / whole_step
            if self.ranks:
                loss = loss + self.ranks.regulariser() * len(inputs["targets"]) / whole_step
            return loss

    def _autocast(self) -> torch.autocast:
        machine = self.lesson.machine
        return torch.autocast(machine.device, dtype=torch.bfloat16, enabled=machine.autocast)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Tell a step; raises when its loss or gradient is no finite number. Keeps no history of its own."""
        if "loss" not in logs:
            return  # the summary at the end, which the events hold already
        step = self.flow.step_logged(self.state, logs)
        self.report.write(step)
        self._tell_trackers(logs | {"tokens_per_second": step.tokens_per_second})
        if step.loss is None or step.grad_norm is None:
            raise TrainingFailure(
                "loss-not-finite",
                f"The loss or its gradient was no finite number at step {step.step}.",
                f"Lower the learning rate (it was {step.learning_rate:.3g}) or raise the warm-up; {self._last_good()}.",
            )
        if self.divergence.note(step.step, step.loss):
            raise TrainingFailure(
                "loss-diverged",
                f"The loss ran away: at step {step.step} the last ten steps' mean is more than twice the lowest, "
                f"{self.divergence.lowest:.3f}.",
                f"Lower the learning rate (it was {step.learning_rate:.3g}) or raise the warm-up; "
                f"{self._last_good(self.divergence.lowest_at)}.",
            )

    def _last_good(self, until: int | None = None) -> str:
        newest = self.checkpoints.newest(until)
        if newest:
            return f"{newest.name} is from before"
        return "no checkpoint from before is left" if self.checkpoints.newest() else "no checkpoint had been saved yet"

    def _tell_trackers(self, logs: dict[str, float]) -> None:
        self.callback_handler.on_log(self.args, self.state, self.control, logs)

    # --- evaluation --------------------------------------------------------------------------------------------------

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean cross-entropy over all trained tokens of the validation rows; nothing when it was asked to stop."""
        self.report.enter(Phase.EVALUATING, f"step {self.state.global_step}")
        self.subject.eval()
        total, tokens = 0.0, 0
        batches = list(self._validation_batches())
        for number, batch in enumerate(batches):
            if self.flow.stopping:
                self.control.should_save = self.control.should_training_stop = True
                return self._told({})
            self.report.enter(Phase.EVALUATING, f"batch {number + 1} of {len(batches)}", number / len(batches))
            total += float(self._batch_loss(self.lesson.objective.batch(batch)))
            tokens += sum(row.targets for row in batch)
        if batches:
            self.report.write(Evaluated(step=self.state.global_step, loss=total / tokens, tokens=tokens))
            if self.flow.evaluated(self.state.global_step, total / tokens):
                self.control.should_save = True
            self._tell_trackers({"eval_loss": total / tokens})
            if self.flow.ended_early:
                self.control.should_save = self.control.should_training_stop = True
        self.samples.answer(self.subject, self.state.global_step)
        self.report.enter(Phase.TRAINING)
        return self._told({"eval_loss": total / tokens} if batches else {})

    def _told(self, metrics: dict[str, float]) -> dict[str, float]:
        """Callbacks are told of the evaluation; until then it counts as still to be made."""
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_batches(self) -> Iterator[Sequence[Row]]:
        rows, size = self.lesson.validation, -(-self.lesson.training.batch_size // self.flow.passes)
        for start in range(0, len(rows), size):
            yield [rows[index] for index in range(start, min(start + size, len(rows)))]

    @torch.no_grad()
    def _batch_loss(self, batch: Batch) -> Tensor:
        with self._autocast():
            return self.lesson.objective(self._prepare_inputs(batch))

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        self.report.enter(Phase.SAVING, f"checkpoint-{self.state.global_step}")
        self.checkpoints.write(self._progress, self._fill)
        self.report.enter(Phase.TRAINING)

    @property
    def _progress(self) -> Progress:
        return self.flow.progress(self.state.global_step, self.lesson.fingerprint)

    def _fill(self, folder: Path) -> None:
        self.lesson.learnt.save(folder)
        if self.ranks:
            self.ranks.save(folder)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.ranks:
            self.ranks.restore(Path(resume_from_checkpoint))
            return
        self.lesson.learnt.restore(Path(resume_from_checkpoint))


class _Frugal(TrainerCallback):
    """Gives back after every step what it freed, so that the next one does not grow the heap."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        give_back()


class _AfterStep(TrainerCallback):
    """Lets AdaLoRA prune while the gradients of the step are still there."""

    def __init__(self, ranks: MovingRanks, report: Report, total_steps: int) -> None:
        self._ranks = ranks
        self._report = report
        self._tell_every = max(1, total_steps // _RANKS_TOLD)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step + 1
        self._ranks.step(step)
        left = self._ranks.left()
        if left and step % self._tell_every == 0:
            self._report.write(RanksMoved(step=step, total=sum(left.values()), ranks=json.dumps(left)))


def _arguments(lesson: Lesson, folder: Path) -> TrainingArguments:
    training = lesson.training
    warmup = training.warmup_steps or math.ceil(training.warmup_share * lesson.plan.total_steps)
    warmed = training.schedule == "constant" and warmup > 0
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=lesson.plan.total_steps,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type="constant_with_warmup" if warmed else training.schedule,
        warmup_steps=warmup,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        seed=training.seed,
        optim=lesson.machine.ways.optimizer,
        use_cpu=lesson.machine.device == "cpu",
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=list(training.trackers) or "none",
        save_strategy="no",
    )
