"""How a command reaches the workbench: through the running server's API, or by owning the home itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.cli.remote import Remote
from workbench.config import RunConfig
from workbench.home import Home
from workbench.records import Message, ParameterCount, Run

if TYPE_CHECKING:
    from workbench.playground import Delta, PaneChoice, Sampling
    from workbench.services import Services


class Connection(Protocol):
    """What a command needs of the workbench."""

    def submit(self, config: RunConfig) -> Run: ...
    def runs(self, query: str = "") -> Sequence[Run]: ...
    def run(self, run_id: str) -> Run: ...
    def log(self, run_id: str, lines: int = 40) -> str: ...
    def stop(self, run_id: str) -> Run: ...
    def resume(self, run_id: str) -> Run: ...
    def count(self, config: RunConfig) -> ParameterCount: ...
    def choices(self) -> Sequence[PaneChoice]: ...
    def stream(
        self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Delta]: ...


class Local:
    """The services of this very process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def submit(self, config: RunConfig) -> Run:
        return self._services.submit(config)

    def runs(self, query: str = "") -> Sequence[Run]:
        return self._services.runs.list(query)

    def run(self, run_id: str) -> Run:
        return self._services.runs.get(run_id)

    def log(self, run_id: str, lines: int = 40) -> str:
        return self._services.runs.log(run_id, lines)

    def stop(self, run_id: str) -> Run:
        return self._services.runs.stop(run_id)

    def resume(self, run_id: str) -> Run:
        return self._services.runs.resume(run_id)

    def count(self, config: RunConfig) -> ParameterCount:
        return self._services.count(config)

    def choices(self) -> Sequence[PaneChoice]:
        return self._services.playground.choices()

    def stream(self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling) -> Iterator[Delta]:
        return self._services.playground.stream(model, base_model, messages, sampling)


@contextmanager
def connect(home_option: Path | None) -> Iterator[Connection]:
    """The running server of the home, or, where none runs, this process as its owner."""
    from workbench.runs.owner import owner_of

    home = Home.locate(home_option)
    owner = owner_of(home)
    if owner is not None and owner.address:
        with Remote(owner.address, password=os.environ.get("WORKBENCH_PASSWORD")) as remote:
            yield remote
        return
    from workbench.services import open_services

    with open_services(home) as services:
        yield Local(services)
