"""How the supervisor looks at one worker: is its heart beating, and has it had long enough to end.

Every span is measured on this process's monotonic clock from what it saw itself, so no clock that is set, here or on
the worker's machine, ages a worker.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from workbench.events import Heartbeat, Phase
from workbench.runs.executor import SignalName
from workbench.runs.history import Worker
from workbench.runs.summary import Life


@dataclass(frozen=True)
class Patience:
    """How long what may take, in seconds."""

    tick: float = 0.5
    """Between two looks."""
    scan: float = 5.0
    """Between two looks at all the folders."""
    stalled: float = 15.0
    """Without a heartbeat, until a worker counts as stalled."""
    stop: float = 60.0
    """From the request to stop to SIGTERM, and again to SIGKILL."""
    saving: float = 600.0
    """The same for a worker that is saving."""
    farewell: float = 60.0
    """From a worker's last words to the end of its process."""


@dataclass
class Watch:
    """One worker that is, as far as known, alive."""

    worker: Worker
    patience: Patience
    lane: str
    beat: tuple[int, float] | None = None
    """Of the last heartbeat seen: its number and the worker's own clock, which together never repeat."""
    beat_seen: float = field(default_factory=time.monotonic)
    updated: float | None = None
    memory: int | None = None
    stop_seen: float | None = None
    words_seen: float | None = None
    terminated: float | None = None
    killed: bool = False

    def look(self, heart: Heartbeat | None) -> Life:
        """What its heart says."""
        if heart is not None and heart.pid == self.worker.pid and (heart.beat, heart.monotonic) != self.beat:
            self.beat = (heart.beat, heart.monotonic)
            self.beat_seen, self.updated = time.monotonic(), time.time()
            self.memory = heart.memory_bytes or None
        stalled = time.monotonic() - self.beat_seen > self.patience.stalled
        return Life(round(self.updated) if self.updated else None, stalled, self.memory)

    def overdue(self, *, stopping: bool, words: bool, heart: Heartbeat | None) -> tuple[SignalName, str] | None:
        """The signal that is due to be sent now, and why; each is due once."""
        now = time.monotonic()
        self.stop_seen = (self.stop_seen or now) if stopping else None
        self.words_seen = (self.words_seen or now) if words else None
        saving = heart is not None and heart.phase is Phase.SAVING and now - self.beat_seen < self.patience.stalled
        grace = self.patience.saving if saving else self.patience.stop
        if self.words_seen is not None:
            if now - self.words_seen < self.patience.farewell or self.killed:
                return None
            self.killed = True
            return "SIGKILL", "It had finished its work, and its process did not end."
        if self.stop_seen is None or self.killed:
            return None
        if self.terminated is None:
            if now - self.stop_seen < grace:
                return None
            self.terminated = now
            return "SIGTERM", f"It had not stopped {grace:.0f} seconds after it was asked to."
        if now - self.terminated < grace:
            return None
        self.killed = True
        return "SIGKILL", f"It ignored SIGTERM for {grace:.0f} seconds."
