"""The rooms behind the pages, put together once: what the server and the command line call.

Knows which services there are and how a run config is made ready; knows no page, no HTTP and no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from importlib.util import find_spec
from typing import Any

from workbench.calculator.device import this_device
from workbench.calculator.parameters import count
from workbench.config import RunConfig
from workbench.data import DatasetLibrary, resolved, validation_rows
from workbench.engine_process import EngineProcess
from workbench.errors import Problem, WorkbenchError, refuse
from workbench.home import Home
from workbench.models import Models
from workbench.playground import Playground
from workbench.playground.adapters import AdapterLibrary
from workbench.playground.batch import Batches
from workbench.playground.votes import VoteBox
from workbench.records.base_models import Blueprint, ParameterCount
from workbench.records.runs import Run
from workbench.runs import Runs
from workbench.runs.changes import with_changes
from workbench.runs.owner import own
from workbench.runs.range_tests import RangeTest, RangeTests
from workbench.runs.room import Room


@dataclass(frozen=True)
class Services:
    """One of each, over one home."""

    home: Home
    models: Models
    datasets: DatasetLibrary
    runs: Runs
    engine: EngineProcess
    playground: Playground

    @cached_property
    def adapters(self) -> AdapterLibrary:
        """What was added to the playground beside the runs' own adapters."""
        return AdapterLibrary(self.home, self.models.blueprint)

    @cached_property
    def votes(self) -> VoteBox:
        """The verdicts of blind comparisons."""
        return VoteBox(self.home)

    @cached_property
    def batches(self) -> Batches:
        """Prompts put to many models at once."""
        return Batches(self.home, self.datasets, self.runs, self.playground)

    def count(self, config: RunConfig) -> ParameterCount:
        """What `config` would train, after checking it against the base model's shape."""
        blueprint = self.models.blueprint(config.base_model)
        refuse(config.method.check(blueprint))
        return count(config, blueprint)

    def prepare(self, config: RunConfig) -> RunConfig:
        """`config` with its dataset in the library; raises one `WorkbenchError` with every problem there is."""
        problems = _absent_trackers(config)
        ready = config
        try:
            ready = config.model_copy(update={"data": resolved(self.datasets, config.data)})
            rows = self.datasets.resolve(ready.data.dataset).rows
            problems += config.method.refusals(config, device=this_device().kind, rows=rows)
            problems += config.unmeasured(validation_rows(self.datasets, ready.data))
        except WorkbenchError as error:
            problems += error.problems
        try:
            self.models.require_usable(config.base_model)
            problems += _misfits(config, self.models.blueprint(config.base_model))
        except WorkbenchError as error:
            problems += error.problems
        refuse(problems)
        return ready

    def submit(self, config: RunConfig) -> Run:
        """Queue a run of `config`; nothing is written when anything is wrong with it."""
        ready = self.prepare(config)
        self.range_tests.make_way()
        return self.runs.submit(ready)

    def go_on(self, run_id: str, changes: Mapping[str, Any], checkpoint: str = "") -> Run:
        """Queue a run with the settings of another but for `changes`, which starts from what that one has learnt.

        From its `checkpoint` if one is named; raises `WorkbenchError` beside the field under which that does not fit.
        """
        ready = self.prepare(self.runs.config(run_id, changes))
        refuse(self._other_shapes(self.runs.config(run_id), changes))
        self.range_tests.make_way()
        return self.runs.submit(ready, continues=f"{run_id}/{checkpoint}" if checkpoint else run_id)

    def _other_shapes(self, earlier: RunConfig, changes: Mapping[str, Any]) -> list[Problem]:
        """Each of `changes` by which the shapes change that `earlier` has learnt; the method's are made last."""
        problems: list[Problem] = []
        shapes = self.count(earlier).groups
        made: dict[str, Any] = {}
        for path in sorted(changes, key=lambda path: path.startswith("method")):
            made[path] = changes[path]
            try:
                changed = self.count(with_changes(earlier, made)).groups
            except WorkbenchError:
                continue  # only together with one that is still to come
            if changed != shapes:
                message = f"What the earlier run has learnt does not fit: there it was {_value_of(earlier, path)}."
                problems.append(Problem(message, "Keep what it was there, or start a new run.", path))
            shapes = changed
        return problems

    @cached_property
    def range_tests(self) -> RangeTests:
        """Searches for a learning rate."""
        return RangeTests(self.home, self.runs)

    def find_learning_rate(self, config: RunConfig) -> RangeTest:
        """Begin to try learning rates for a run of `config`, which is checked as one that is to be queued."""
        return self.range_tests.start(self.prepare(config))


def _value_of(config: RunConfig, path: str) -> str:
    """The value of the setting at a dotted path, as one would type it."""
    value: Any = reduce(lambda part, name: part.get(name, ""), path.split("."), config.model_dump(mode="json"))
    if isinstance(value, dict):
        value = [f"{name}={each}" for name, each in value.items()]
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "empty"


def _absent_trackers(config: RunConfig) -> list[Problem]:
    """Trackers that were chosen and are not installed."""
    absent = [name for name in config.training.trackers if find_spec(name) is None]
    names = ", ".join(absent)
    remedy = f"Install it with “pip install {' '.join(absent)}”, or choose another."
    return [Problem(f"{names} is not installed.", remedy, "training.trackers")] if absent else []


def _misfits(config: RunConfig, blueprint: Blueprint) -> list[Problem]:
    problems = config.method.check(blueprint)
    if blueprint.context_length and config.data.max_length > blueprint.context_length:
        problems.append(
            Problem(
                f"The base model reads at most {blueprint.context_length:,} tokens.",
                f"Set max length to {blueprint.context_length:,} or less.",
                "data.max_length",
            )
        )
    return problems


@contextmanager
def open_services(home: Home) -> Iterator[Services]:
    """Own `home`, start the supervisor, and hand out the services; workers go on when it is left.

    Raises `WorkbenchError` naming the owner when another process owns the home.
    """
    with own(home):
        engine = EngineProcess(home)
        runs = Runs(home, room=Room(home, engine.release))
        services = Services(
            home=home,
            models=Models(home, engine.blueprint),
            datasets=DatasetLibrary(home),
            runs=runs,
            engine=engine,
            playground=Playground(engine, runs),
        )
        runs.start()
        try:
            yield services
        finally:
            services.batches.close()
            runs.close()
            engine.close()
