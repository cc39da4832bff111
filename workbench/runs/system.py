"""The machine at this moment: processor, memory, graphics cards, and what one worker takes of them. No torch."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from workbench.records import Record
from workbench.runs.history import Worker
from workbench.runs.process import lives


class Gpu(Record):
    """One graphics card, as its driver tells."""

    index: int
    name: str
    memory_total: int
    memory_used: int
    busy: int | None
    """Per cent; None when the driver does not say."""
    temperature: int | None
    """Degrees Celsius."""


class SystemFacts(Record):
    """Memory in bytes, loads in per cent."""

    host: str
    cpu: str
    cores: int
    cpu_percent: float
    """Since the last look."""
    memory_total: int
    memory_available: int
    swap_used: int
    gpus: tuple[Gpu, ...]


class WorkerLoad(Record):
    """What a worker and the processes it started take."""

    pid: int
    cpu_seconds: float
    """Of all its threads together, since it began."""
    memory: int


def system_facts() -> SystemFacts:
    """The machine as it is now; takes some milliseconds."""
    memory = psutil.virtual_memory()
    return SystemFacts(
        host=platform.node(),
        cpu=platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu_percent=psutil.cpu_percent(),
        memory_total=memory.total,
        memory_available=memory.available,
        swap_used=psutil.swap_memory().used,
        gpus=gpus(),
    )


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA cards of this machine; none where there is no driver."""
    with _driver() as nvml:
        if nvml is None:
            return ()
        return tuple(_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))


@contextmanager
def _driver() -> Iterator[Any]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    card = nvml.nvmlDeviceGetHandleByIndex(index)
    name = nvml.nvmlDeviceGetName(card)
    memory = nvml.nvmlDeviceGetMemoryInfo(card)
    return Gpu(
        index=index,
        name=name.decode() if isinstance(name, bytes) else name,
        memory_total=memory.total,
        memory_used=memory.used,
        busy=_told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(card).gpu),
        temperature=_told(nvml, lambda: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU)),
    )


def _told(nvml: Any, ask: Any) -> int | None:
    try:
        return int(ask())
    except nvml.NVMLError:  # cards in a virtual machine, or cut into instances, do not tell everything
        return None


def worker_load(worker: Worker) -> WorkerLoad | None:
    """What `worker` takes; None when it is gone, or on another machine."""
    if not lives(worker.pid, worker.mark):
        return None
    try:
        process = psutil.Process(worker.pid)
        family = [process, *process.children(recursive=True)]
        return WorkerLoad(
            pid=worker.pid,
            cpu_seconds=sum(sum(member.cpu_times()[:2]) for member in family),
            memory=sum(member.memory_info().rss for member in family),
        )
    except psutil.NoSuchProcess:
        return None
