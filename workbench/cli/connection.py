"""How a command reaches the workbench: a server that was named, the running server of the home, or this process.

A remote server is named by ``--server`` or ``WORKBENCH_SERVER``; its password is ``WORKBENCH_PASSWORD``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.cli.remote import Remote
from workbench.config import RunConfig
from workbench.home import Home
from workbench.records.base_models import ParameterCount
from workbench.records.datasets import Message
from workbench.records.runs import MetricsDelta, Run
from workbench.runs.comparison import Comparison
from workbench.runs.range_tests import RangeTest

if TYPE_CHECKING:
    from workbench.playground import Delta, PaneChoice, Sampling
    from workbench.playground.batch_records import BatchFigures, BatchRequest, BatchState
    from workbench.playground.prompt_files import PromptsShown
    from workbench.services import Services

SERVER = "WORKBENCH_SERVER"
PASSWORD = "WORKBENCH_PASSWORD"


class Connection(Protocol):
    """What a command needs of the workbench."""

    def submit(self, config: RunConfig) -> Run: ...
    def go_on(self, run_id: str, changes: Mapping[str, Any], checkpoint: str) -> Run: ...
    def runs(self, query: str = "", sort: str = "-created") -> Sequence[Run]: ...
    def run(self, run_id: str) -> Run: ...
    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta: ...
    def compare(self, run_ids: Sequence[str]) -> Comparison: ...
    def log(self, run_id: str, lines: int = 40) -> str: ...
    def stop(self, run_id: str) -> Run: ...
    def cancel(self, run_id: str) -> Run: ...
    def resume(self, run_id: str) -> Run: ...
    def label(self, run_id: str, changes: Mapping[str, Any]) -> Run: ...
    def delete(self, run_id: str) -> None: ...
    def count(self, config: RunConfig) -> ParameterCount: ...
    def find_learning_rate(self, config: RunConfig) -> RangeTest: ...
    def range_test(self, test_id: str) -> RangeTest: ...
    def stop_range_test(self, test_id: str) -> RangeTest: ...
    def choices(self) -> Sequence[PaneChoice]: ...
    def stream(
        self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Delta]: ...


class FullConnection(Connection, Protocol):
    """What `eval` needs beside it."""

    def send_prompts(self, path: Path) -> PromptsShown: ...
    def begin_batch(self, request: BatchRequest) -> BatchState: ...
    def batch(self, batch_id: str) -> BatchState: ...
    def stop_batch(self, batch_id: str) -> BatchState: ...
    def batch_figures(self, batch_id: str) -> BatchFigures: ...
    def batch_report(self, batch_id: str, ending: str) -> str: ...


class Local:
    """The services of this very process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def submit(self, config: RunConfig) -> Run:
        return self._services.submit(config)

    def go_on(self, run_id: str, changes: Mapping[str, Any], checkpoint: str) -> Run:
        return self._services.go_on(run_id, changes, checkpoint)

    def runs(self, query: str = "", sort: str = "-created") -> Sequence[Run]:
        return self._services.runs.list(query, sort)

    def run(self, run_id: str) -> Run:
        return self._services.runs.get(run_id)

    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta:
        return self._services.runs.metrics(run_id, after, points)

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        return self._services.runs.compare(run_ids)

    def log(self, run_id: str, lines: int = 40) -> str:
        return self._services.runs.log(run_id, lines)

    def stop(self, run_id: str) -> Run:
        return self._services.runs.stop(run_id)

    def cancel(self, run_id: str) -> Run:
        return self._services.runs.cancel(run_id)

    def resume(self, run_id: str) -> Run:
        return self._services.runs.resume(run_id)

    def label(self, run_id: str, changes: Mapping[str, Any]) -> Run:
        return self._services.runs.label(run_id, **changes)

    def delete(self, run_id: str) -> None:
        self._services.runs.delete(run_id)

    def count(self, config: RunConfig) -> ParameterCount:
        return self._services.count(config)

    def find_learning_rate(self, config: RunConfig) -> RangeTest:
        return self._services.find_learning_rate(config)

    def range_test(self, test_id: str) -> RangeTest:
        return self._services.range_tests.get(test_id)

    def stop_range_test(self, test_id: str) -> RangeTest:
        return self._services.range_tests.stop(test_id)

    def choices(self) -> Sequence[PaneChoice]:
        return self._services.playground.choices()

    def stream(self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling) -> Iterator[Delta]:
        return self._services.playground.stream(model, base_model, messages, sampling)

    def send_prompts(self, path: Path) -> PromptsShown:
        from workbench.playground.batch_records import PromptSource

        sources = self._services.batches.sources
        id, place = sources.receive(path.name)
        shutil.copyfile(path, place)
        return sources.shown(PromptSource(kind="file", id=id))

    def begin_batch(self, request: BatchRequest) -> BatchState:
        return self._services.batches.begin(request)

    def batch(self, batch_id: str) -> BatchState:
        return self._services.batches.get(batch_id)

    def stop_batch(self, batch_id: str) -> BatchState:
        return self._services.batches.stop(batch_id)

    def batch_figures(self, batch_id: str) -> BatchFigures:
        return self._services.batches.figures(batch_id)

    def batch_report(self, batch_id: str, ending: str) -> str:
        return self._services.batches.report(batch_id, ending)


@contextmanager
def connect(home_option: Path | None) -> Iterator[FullConnection]:
    """The server that was named; else that of the home; else, where none runs, this process as the home's owner."""
    from workbench.runs.owner import owner_of

    named, password = os.environ.get(SERVER), os.environ.get(PASSWORD)
    if named:
        with Remote(named, password=password, sends_files=True) as remote:
            yield remote
        return
    home = Home.locate(home_option)
    owner = owner_of(home)
    if owner is not None and owner.address:
        with Remote(owner.address, password=password) as remote:
            yield remote
        return
    from workbench.services import open_services

    with open_services(home) as services:
        yield Local(services)
