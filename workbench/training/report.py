"""What the worker tells while it works: events for those who read the run, a pulse for those who watch over it."""

from __future__ import annotations

import time

from workbench.events import Event, Phase, PhaseChanged, Warned
from workbench.runs.events_log import EventWriter
from workbench.runs.pulse import Pulse

_DETAIL_INTERVAL = 1.0
"""Seconds between two details of one phase."""


class Report:
    """Writes events, keeps the pulse's phase and step right, and does not repeat itself."""

    def __init__(self, events: EventWriter, pulse: Pulse) -> None:
        self._events = events
        self._pulse = pulse
        self._told: PhaseChanged | None = None
        self._told_at = 0.0

    @property
    def phase(self) -> Phase:
        """The phase told last."""
        return self._told.phase if self._told else Phase.STARTING

    def write(self, event: Event) -> None:
        self._events.write(event)

    def enter(self, phase: Phase, detail: str = "", done: float | None = None) -> None:
        """Tell a phase, or how far it has come; details of one phase at most once a second."""
        now = time.monotonic()
        told = self._told
        if told and told.phase == phase and (told.detail == detail or now - self._told_at < _DETAIL_INTERVAL):
            return
        self._pulse.phase = phase
        self._told, self._told_at = PhaseChanged(phase=phase, detail=detail, done=done), now
        self.write(self._told)

    def reach(self, step: int) -> None:
        """Tell the pulse where training stands."""
        self._pulse.step = step

    def warn(self, message: str, remedy: str = "") -> None:
        self.write(Warned(message=message, remedy=remedy))
