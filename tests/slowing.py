"""A process that is slow on purpose, so that what takes it a moment can be met half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def slowed(process: psutil.Process) -> Iterator[psutil.Process]:
    """Let `process` run for one millisecond in twenty."""
    done = threading.Event()

    def brake() -> None:
        with suppress(psutil.NoSuchProcess):
            while not done.wait(0.001):
                process.suspend()
                done.wait(0.019)
                process.resume()

    thread = threading.Thread(target=brake)
    thread.start()
    try:
        yield process
    finally:
        done.set()
        thread.join()


def engine_of(server: int) -> psutil.Process:
    """The engine that the process with this number has started."""
    (engine,) = (
        process
        for process in psutil.Process(server).children(recursive=True)
        if "workbench.engine" in process.cmdline()
    )
    return engine
