"""What this machine has for a run: its GPU by NVML, else its memory. Looks at the machine, imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from workbench.records import Record

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "i8mm_bf16"})


class Device(Record):
    """Where a run would compute, and what is free there now."""

    kind: Literal["cuda", "cpu"]
    name: str
    total: int
    """Bytes, as is `free`."""
    free: int
    fast_bf16: bool
    """Whether half precision is the faster one."""
    cores: int = 1
    """Of the CPU."""


def this_device() -> Device:
    """The GPU with the most free memory, else the CPU."""
    return max(_gpus(), key=lambda device: device.free, default=None) or _cpu()


def _gpus() -> list[Device]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _gpu(handle: object) -> Device:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, _ = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    return Device(kind="cuda", name=name, total=memory.total, free=memory.free, fast_bf16=major >= 8)


def _cpu() -> Device:
    import psutil

    memory = psutil.virtual_memory()
    return Device(
        kind="cpu",
        name="CPU",
        total=memory.total,
        free=memory.available,
        fast_bf16=_cpu_has_bf16(),
        cores=len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count(),
    )


def _cpu_has_bf16() -> bool:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())
