"""A range test without a model: real events in a real folder, told when the test says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.events import Failed, Finished, Phase, PhaseChanged, Started, StepLogged
from workbench.runs.events_log import EventWriter
from workbench.runs.executor import SignalName
from workbench.runs.folder import RunFolder
from workbench.runs.history import Worker
from workbench.runs.range_curve import RangePlan

PLAN = RangePlan(low=1e-6, high=1e-1, steps=40)


class ToldTests:
    """An `Executor` whose newest worker lives until it is told to end."""

    def __init__(self) -> None:
        self.folder: RunFolder | None = None
        self.environment: Mapping[str, str] = {}
        self.living = False
        self.signals: list[SignalName] = []

    def start(self, folder: RunFolder, environment: Mapping[str, str]) -> Worker:
        self.folder, self.environment, self.living = folder, environment, True
        return Worker(executor="told", pid=1, mark="told", host="here")

    def alive(self, worker: Worker) -> bool:
        return self.living

    def exit_code(self, worker: Worker) -> int | None:
        return None

    def signal(self, worker: Worker, name: SignalName) -> None:
        self.signals.append(name)
        self.living = False

    def tell(self, losses: Sequence[float | None]) -> None:
        """Its steps, of losses under the rates of `PLAN`."""
        started = Started(
            total_steps=PLAN.steps, trainable=1000, base_parameters=100_000, train_rows=9, validation_rows=0
        )
        self._write(PhaseChanged(phase=Phase.TRAINING), started)
        for place, loss in enumerate(losses):
            step = StepLogged(
                step=place + 1, epoch=0.0, loss=loss, learning_rate=PLAN.rate(place), grad_norm=1.0,
                tokens=10, tokens_per_second=10.0, elapsed=1.0, memory_bytes=1,
            )  # fmt: skip
            self._write(step)

    def end(self, *, stopped: bool = False, failed: Failed | None = None, silent: bool = False) -> None:
        """Its last words, unless it dies without any."""
        if not silent:
            self._write(failed or Finished(step=0, stopped=stopped))
        self.living = False

    def _write(self, *events: PhaseChanged | Started | StepLogged | Finished | Failed) -> None:
        assert self.folder is not None
        writer = EventWriter(self.folder)
        for event in events:
            writer.write(event)
        writer.close()


def falling_then_lost() -> list[float | None]:
    """Of `PLAN`'s length: lowest at 1e-3, no number at the end."""
    falling = [3.0 - 0.1 * step for step in range(13)]
    return [*[3.0] * 12, *falling, 2.0, 2.6, 3.5, 5.0, None]
