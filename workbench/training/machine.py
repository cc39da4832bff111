"""What this machine is good at, and what a run is computed on: device, number format, threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from workbench.training.hardware import Hardware, Ways, ways
from workbench.training_config import TrainingConfig

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers")


@dataclass(frozen=True)
class Machine:
    """Where a run computes, and how."""

    hardware: Hardware
    ways: Ways
    threads: int

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return self.hardware.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the base weights; the adapter is trained in fp32 whatever this is."""
        return torch.bfloat16 if self.ways.precision == "bf16" else torch.float32

    @property
    def autocast(self) -> bool:
        """Whether the step runs under autocast: on a GPU, where half-precision products are the fast ones."""
        return self.ways.autocast is not None

    def for_steps(self, training: TrainingConfig, steps: int, model: Any) -> Machine:
        """The same for so many steps of that model, its layers compiled if it has any: only long runs win that back."""
        compiled = ways(self.hardware, training, steps).compiled and compile_layers(model) > 0
        return replace(self, ways=self.ways.model_copy(update={"compiled": compiled}))

    def in_single_precision(self) -> Machine:
        """The same with fp32 weights."""
        return replace(self, ways=self.ways.model_copy(update={"precision": "fp32", "autocast": None}))

    @property
    def signature(self) -> str:
        """What decides which of two equal ways is the faster: the CPU, the threads and the library."""
        return f"{self.hardware.name}, {self.threads} threads, torch {torch.__version__}"

    def prepare(self) -> None:
        """Make torch use it."""
        torch.set_num_threads(self.threads)
        if self.ways.tf32:
            torch.set_float32_matmul_precision("high")

    def describe(self) -> dict[str, object]:
        """For ``environment.json``."""
        return {
            "device": self.device,
            "device_name": self.hardware.name,
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": self.threads,
            "ways": self.ways.model_dump(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "libraries": {library: version(library) for library in _LIBRARIES},
        }


def find_machine(training: TrainingConfig) -> Machine:
    """The GPU this worker was given, else the CPU, with the run's wishes for precision and threads."""
    hardware = this_hardware()
    threads = training.threads or hardware.cores
    return Machine(hardware, ways(hardware, training, steps=0), threads)


def compile_layers(model: Any) -> int:
    """Compile each of the model's layers by itself at its first step: as fast as the whole, and compiled once for all.

    For CUDA; rows of changing lengths make the shapes dynamic. Returns how many there are.
    """
    layers = _layers(model.get_base_model() if hasattr(model, "get_base_model") else model)
    for layer in layers:
        layer.compile(dynamic=True)
    return len(layers)


def _layers(model: Any) -> Sequence[Any]:
    """The outermost list of as many modules as the config says that there are layers, by whatever name it goes."""
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    lists = (each for each in model.modules() if isinstance(each, torch.nn.ModuleList))
    return next(([*each] for each in lists if len(each) == count), [])


def this_hardware() -> Hardware:
    """What this worker was given to compute on."""
    packages = frozenset(name for name in ("kernels", "triton", "bitsandbytes") if find_spec(name))
    cores = len(os.sched_getaffinity(0))
    if torch.cuda.is_available():
        return Hardware(
            device="cuda",
            name=torch.cuda.get_device_name(),
            capability=torch.cuda.get_device_capability(),
            cores=cores,
            packages=packages,
        )
    return Hardware(device="cpu", name=cpu_name(), flags=cpu_flags(), cores=cores, packages=packages)


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
