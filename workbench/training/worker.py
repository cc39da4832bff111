"""One attempt at a run, from its folder to its adapter: the phases in their order, and nothing of their inside."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from workbench.config import RunConfig
from workbench.data.templates import templated
from workbench.errors import WorkbenchError, refuse
from workbench.events import Finished, Phase, Resumed, Started
from workbench.home import Home
from workbench.models.fetch import local_folder, revision
from workbench.records.datasets import Dataset
from workbench.runs.durable import write_whole
from workbench.runs.folder import RunFolder
from workbench.training.adapter import attach, count_parameters, write_adapter
from workbench.training.allocations import give_back, keep_small
from workbench.training.checkpoints import Checkpoints, read_progress
from workbench.training.continuation import learnt_by
from workbench.training.file_pages import release_replaced
from workbench.training.flow import Flow
from workbench.training.learnt import Learnt
from workbench.training.machine import Machine, find_machine
from workbench.training.memory import recomputes, remedies
from workbench.training.objective import choose_objective
from workbench.training.order import order_of
from workbench.training.packs import PackChoices
from workbench.training.plan import Plan
from workbench.training.preparation import Preparation
from workbench.training.quantization import loading_options
from workbench.training.report import Report
from workbench.training.rows import Rows
from workbench.training.samples import Samples
from workbench.training.starting_point import StartingPoint
from workbench.training.stopping import StopRequest
from workbench.training.studies import Findings, Reading, load_findings, save_findings, study_of
from workbench.training.studies.study import adaptable_modules
from workbench.training.trainer import Lesson, RunTrainer

_ANY = 2**31
"""Rows, where it is not yet known how many there are."""


@dataclass(frozen=True)
class Subject:
    """What is to be trained: base model with its adapter, and the tokenizer that goes with it."""

    model: Any
    learnt: Learnt
    tokenizer: Any
    base_parameters: int
    revision: str


class Worker:
    """Carries a run out, or on from its newest checkpoint."""

    def __init__(self, folder: RunFolder, report: Report, stop: StopRequest) -> None:
        self.folder = folder
        self.config: RunConfig = folder.config
        self.home = Home(folder.path.parent.parent)
        self.report = report
        self.stop = stop
        self._read_tokenizers: dict[Path, Any] = {}

    @property
    def _start(self) -> StartingPoint | None:
        """Where a method that begins inside the weights keeps what it took out of them."""
        return StartingPoint(self.folder.path / "start.safetensors") if self.config.method.moves_base else None

    def work(self) -> None:
        """The whole run; raises what goes wrong, `Stopped` when it was asked to stop before training."""
        machine = self._machine()
        machine.prepare()
        refuse(self.config.method.refusals(self.config, device=machine.device, rows=_ANY))
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(self.folder.path / "tensorboard")
        model_folder = self._fetch()
        dataset, train, validation = self._prepare(model_folder)
        subject = self._initialise(model_folder, machine, train)
        trainer = self._trainer(subject, dataset, train, validation, machine)
        self._write_environment(trainer.lesson, subject, dataset)
        self._train(trainer, subject)

    def _machine(self) -> Machine:
        """Where it computes; weights that are trained in place on a CPU are so in single precision."""
        machine = find_machine(self.config.training)
        return machine.in_single_precision() if self.config.method.in_place and machine.device == "cpu" else machine

    def _fetch(self) -> Path:
        self.report.enter(Phase.FETCHING_MODEL, self.config.base_model)
        self.stop.obey()

        def progress(detail: str, done: float | None = None) -> None:
            self.report.enter(Phase.FETCHING_MODEL, detail, done)
            self.stop.obey()

        return local_folder(self.config.base_model, self.home, progress)

    def _prepare(self, model_folder: Path) -> tuple[Dataset, Rows, Rows]:
        self.report.enter(Phase.PREPARING_DATA)
        self.stop.obey()
        preparation = Preparation(self.config, self.home, self.report)
        dataset = preparation.dataset()
        return dataset, *preparation.rows(dataset, self._tokenizer(model_folder))

    def _tokenizer(self, model_folder: Path) -> Any:
        """The base model's, with the run's chat template, which is saved with the adapter; read once."""
        if model_folder not in self._read_tokenizers:
            tokenizer = AutoTokenizer.from_pretrained(model_folder)
            self._read_tokenizers[model_folder] = templated(tokenizer, self.config.data.chat_template)
        return self._read_tokenizers[model_folder]

    def _initialise(self, model_folder: Path, machine: Machine, train: Rows) -> Subject:
        reading = self._reading(train)
        self.report.enter(Phase.INITIALISING, "loading the base model")
        self.stop.obey()
        packing = loading_options(self.config.training, machine)
        kernels = {"use_kernels": True} if machine.ways.kernels else {}
        base = self.config.task.load_model(
            model_folder, dtype=machine.dtype, attn_implementation="sdpa", **packing, **kernels
        )
        parameters = count_parameters(base)
        base = base if packing else base.to(machine.device)
        findings = self._study(base, reading) if reading else None
        before = [parameter.data for parameter in base.parameters()]
        attached = attach(base, self.config, model_folder, self._start, findings)
        release_replaced(before, attached.model)  # of a method that moves base weights
        earlier = learnt_by(self.folder)
        if earlier is not None:
            attached.learnt.take_over(earlier)
        return Subject(
            model=attached.model,
            learnt=attached.learnt,
            tokenizer=self._tokenizer(model_folder),
            base_parameters=parameters,
            revision=revision(self.config.base_model, self.home),
        )

    def _reading(self, train: Rows) -> Reading | None:
        """The rows that the method reads first, if it does; raises `WorkbenchError` when they are too few."""
        study = study_of(self.config.method)
        if study is None:
            return None
        wanted = study.method.study_rows
        reading = Reading(train, wanted, self.config.training.seed, self.report, self.stop)
        refuse(study.problems(reading))
        return reading

    def _study(self, base: Any, reading: Reading) -> Findings:
        """What the method reads out of its rows, or has read in an earlier attempt."""
        kept = self.folder.path / "studied.safetensors"
        if kept.is_file():
            return load_findings(kept)
        study = study_of(self.config.method)
        assert study is not None
        self.report.enter(Phase.STUDYING, self.config.method.studies)
        base.eval()
        modules = adaptable_modules(base, self.config.method.peft_config(self.config.task))
        save_findings(study.find(base, modules, reading), kept)
        give_back()
        self.report.enter(Phase.INITIALISING, "putting the adapter onto the base model")
        return load_findings(kept)

    def _trainer(
        self, subject: Subject, dataset: Dataset, train: Rows, validation: Rows, machine: Machine
    ) -> RunTrainer:
        training = self.config.training
        order = order_of(train.lengths, training, self.config.data.max_length)
        self.report.enter(Phase.INITIALISING, "choosing the fastest exact way")
        plan = Plan.of(training, len(order))
        machine = machine.for_steps(training, plan.total_steps, subject.model)
        recompute = self._recomputes()
        if recompute:
            keep_small()
        packs = PackChoices(self.home.path / "cpu.json", machine.signature, self._recorded("packed"))
        lesson = Lesson(
            training=training,
            plan=plan,
            train=train,
            order=order,
            validation=validation,
            objective=choose_objective(
                subject.model,
                train,
                recompute=recompute,
                smoothing=training.label_smoothing,
                noisy=training.neftune_alpha > 0,
                packs=packs,
                rows_attend=machine.ways.attention,
                threads=machine.threads,
            ),
            machine=machine,
            learning_rate_factor=self.config.method.learning_rate_factor,
            fingerprint=resume_fingerprint(self.config, dataset, subject.revision),
            learnt=subject.learnt,
            packs=packs,
        )
        give_back()  # weights that lie in the layers' own matrices by now, and what choosing took
        samples = Samples(self.config.samples, subject.tokenizer, self.report, self.stop.made)
        evaluates = len(validation) > 0 or samples.wanted
        flow = Flow(lesson.plan, evaluates, self.stop, self.report, training.early_stopping)
        checkpoints = Checkpoints(self.folder, training.keep_checkpoints, self.report)
        return RunTrainer(subject.model, lesson, flow, checkpoints, samples, self.report)

    def _recomputes(self) -> bool:
        """As asked for; left to us, what an earlier attempt decided if it left a checkpoint, else by the free memory.

        The first steps and the next ones are to come from one way of computing, whatever memory is free by then.
        """
        asked = self.config.training.recompute_activations != "auto"
        recorded = None if asked or not self.folder.checkpoints() else self._recorded("recompute_activations")
        return recomputes(self.config, self.home) if recorded is None else bool(recorded)

    def _recorded(self, fact: str) -> Any:
        """A fact of an earlier attempt's environment, whose numbers this one goes on with; None where there is none."""
        if not self.folder.environment.is_file():
            return None
        return json.loads(self.folder.environment.read_text(encoding="utf-8")).get(fact)

    def _write_environment(self, lesson: Lesson, subject: Subject, dataset: Dataset) -> None:
        facts = lesson.machine.describe() | {
            "seed": lesson.training.seed,
            "base_model": self.config.base_model,
            "base_model_revision": subject.revision,
            "dataset": dataset.id,
            "batches": lesson.objective.layout,
            "head": lesson.objective.head,
            "layers": "fused" if lesson.objective.fused else "modules",
            "side_by_side": lesson.objective.strands is not None,
            "packed": lesson.packs.taken if lesson.packs else {},
            "recompute_activations": lesson.objective.recomputes,
            "quantization": lesson.training.quantization,
            "optimizer": lesson.training.optimizer,
        }
        write_whole(self.folder.environment, json.dumps(facts, indent=1))
        print(json.dumps(facts, indent=1), flush=True)

    def _train(self, trainer: RunTrainer, subject: Subject) -> None:
        lesson = trainer.lesson
        self.stop.obey()
        checkpoint = self._checkpoint(trainer)
        done = read_progress(checkpoint).step if checkpoint else 0
        self.report.write(
            Started(
                total_steps=lesson.plan.total_steps,
                trainable=count_parameters(subject.model, trained=True),
                base_parameters=subject.base_parameters,
                train_rows=len(lesson.train),
                validation_rows=len(lesson.validation),
            )
        )
        self.report.enter(Phase.TRAINING)
        with remedies(self.config, self.home):
            trainer.learn(checkpoint, done)
        self.report.enter(Phase.SAVING, "adapter")
        write_adapter(subject.learnt, subject.tokenizer, self.folder.adapter)
        step = trainer.state.global_step
        stopped = step < lesson.plan.total_steps and not trainer.flow.ended_early
        self.report.write(Finished(step=step, stopped=stopped))

    def _checkpoint(self, trainer: RunTrainer) -> Path | None:
        """The checkpoint to go on from; tells which steps of earlier attempts still count."""
        trainer.checkpoints.sweep()
        newest = trainer.checkpoints.newest()
        if newest is None:
            if any(isinstance(event, Started) for event in self.folder.events()):
                self.report.write(Resumed(step=0))
            return None
        progress = read_progress(newest)
        if progress.fingerprint != trainer.lesson.fingerprint:
            raise WorkbenchError(
                f"{newest.name} was made with other settings, another dataset or another base model.",
                remedy="Start a new run with these settings.",
            )
        trainer.flow.go_on_from(progress)
        self.report.write(Resumed(step=progress.step))
        return newest


def resume_fingerprint(config: RunConfig, dataset: Dataset, base_revision: str) -> str:
    """Of all that decides a run's numbers: a checkpoint goes on only under the same.

    Settings at their default are left out, so that one which a later version adds does not strand older runs.
    """
    course = {"keep_checkpoints", "threads", "recompute_activations"}
    harmless: dict[str, Any] = {"name": True, "samples": True, "training": course}
    settings = config.model_dump(mode="json", exclude=harmless, exclude_defaults=True)
    facts = json.dumps([settings, config.method.kind, config.task.kind, dataset.id, base_revision], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
