"""How tests carry out a run in their own process, stop it at a step, and read what it said."""

from __future__ import annotations

from collections.abc import Callable

from transformers.utils import logging

from workbench.events import Event, StepLogged
from workbench.runs.folder import RunFolder
from workbench.training.__main__ import attempt
from workbench.training.stopping import StopRequest

MakeRun = Callable[..., RunFolder]

logging.disable_progress_bar()  # type: ignore[no-untyped-call]


class StopAt(StopRequest):
    """Asks to stop from the moment on when the step before `step` was logged."""

    def __init__(self, folder: RunFolder, step: int) -> None:
        super().__init__(folder)
        self._reached = folder
        self._step = step

    def made(self) -> bool:
        return any(event.step >= self._step - 1 for event in self._reached.events() if isinstance(event, StepLogged))


def carry_out(folder: RunFolder, stop: StopRequest | None = None) -> list[Event]:
    """One attempt at the run, in this process; every event of the run so far."""
    attempt(folder, stop or StopRequest(folder))
    return list(folder.events())


def losses(folder: RunFolder) -> dict[int, float | None]:
    """Loss by step; a step taken again counts as taken last."""
    return {event.step: event.loss for event in folder.events() if isinstance(event, StepLogged)}
