"""What this machine is good at, and what a run is computed on: device, number format, threads."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch

from workbench.config import TrainingConfig

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers")


@dataclass(frozen=True)
class Machine:
    """Where a run computes."""

    device: Literal["cpu", "cuda"]
    name: str
    dtype: torch.dtype
    """Of the base weights; the adapter is trained in fp32 whatever this is."""
    threads: int

    @property
    def autocast(self) -> bool:
        """Whether the step runs under autocast: on a GPU, where half-precision products are the fast ones."""
        return self.device == "cuda" and self.dtype != torch.float32

    def prepare(self) -> None:
        """Make torch use it."""
        torch.set_num_threads(self.threads)

    def describe(self) -> dict[str, object]:
        """For ``environment.json``."""
        return {
            "device": self.device,
            "device_name": self.name,
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": self.threads,
            "platform": platform.platform(),
            "python": platform.python_version(),
            "libraries": {library: version(library) for library in _LIBRARIES},
        }


def find_machine(training: TrainingConfig) -> Machine:
    """The GPU this worker was given, else the CPU, with the run's wishes for precision and threads."""
    threads = training.threads or len(os.sched_getaffinity(0))
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return Machine("cuda", torch.cuda.get_device_name(), _dtype(training, fast), threads)
    return Machine("cpu", cpu_name(), _dtype(training, cpu_multiplies_bf16(cpu_flags())), threads)


def _dtype(training: TrainingConfig, bf16_is_fast: bool) -> torch.dtype:
    if training.precision == "auto":
        return torch.bfloat16 if bf16_is_fast else torch.float32
    return torch.bfloat16 if training.precision == "bf16" else torch.float32


def cpu_multiplies_bf16(flags: frozenset[str]) -> bool:
    """Whether the CPU has instructions for it; without them bf16 is three times slower than fp32."""
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16", "i8mm_bf16"})


def cpu_flags() -> frozenset[str]:
    """The CPU's feature flags, as Linux names them; none elsewhere."""
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def cpu_name() -> str:
    """The CPU's marketing name, or what Python knows of it."""
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
