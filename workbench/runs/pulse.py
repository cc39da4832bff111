"""The worker's heartbeat: a thread that rewrites ``heartbeat.json`` about once a second."""

from __future__ import annotations

import os
import platform
import threading
import time
from types import TracebackType
from typing import Self

import psutil

from workbench.events import Heartbeat, Phase
from workbench.runs.durable import write_whole
from workbench.runs.folder import RunFolder
from workbench.runs.process import own_mark

SECONDS = 1.0


class Pulse:
    """``with Pulse(folder) as pulse:`` beats until it is left; set `phase` and `step` as they change."""

    def __init__(self, folder: RunFolder, seconds: float = SECONDS) -> None:
        self.folder = folder
        self.seconds = seconds
        self.phase = Phase.STARTING
        self.step = 0
        self._beat = 0
        self._mark = own_mark()
        self._process = psutil.Process()
        self._started = self._process.create_time()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.beat()

    def beat(self) -> None:
        """Write one heartbeat now. A full disk is no reason to die: the old one then stays until there is room."""
        self._beat += 1
        heart = Heartbeat(
            pid=os.getpid(),
            process_started=self._started,
            mark=self._mark,
            host=platform.node(),
            phase=self.phase,
            step=self.step,
            beat=self._beat,
            monotonic=time.monotonic(),
            memory_bytes=self._process.memory_info().rss,
        )
        try:
            write_whole(self.folder.heartbeat_file, heart.model_dump_json())
        except OSError as error:
            if self._beat % 60 == 1:
                print(f"The heartbeat cannot be written: {error}", flush=True)

    def _run(self) -> None:
        while not self._over.wait(self.seconds):
            self.beat()
