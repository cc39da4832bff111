"""The ways that suit a machine: number format, attention, kernels, optimizer, compiling. A pure function of a record.

What it says for GPUs follows their makers' documents and transformers' own requirements; it was not measured here, and
whatever computes attention another way is compared with the plain one before a run uses it (`objective`).
"""

from __future__ import annotations

from typing import Literal

from workbench.records import Record
from workbench.training_config import TrainingConfig

CPU_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16", "i8mm_bf16"})
"""Flags of CPUs with instructions for bf16; without them it is three times slower than fp32."""
_AMPERE = (8, 0)
"""Compute capability from which GPUs multiply bf16 and run FlashAttention."""
_VOLTA = (7, 0)
"""Compute capability from which Triton compiles."""
_LONG = 1000
"""Steps from which the minutes that compiling takes are won back."""


class Hardware(Record):
    """What a machine is."""

    device: Literal["cpu", "cuda"]
    name: str
    capability: tuple[int, int] | None = None
    """Of the GPU."""
    flags: frozenset[str] = frozenset()
    """Of the CPU."""
    cores: int = 1
    packages: frozenset[str] = frozenset()
    """Which of ``kernels``, ``triton`` and ``bitsandbytes`` are installed."""


class Ways(Record):
    """How a run computes on it; shown in the run's environment."""

    precision: Literal["fp32", "bf16"]
    """Of the base weights."""
    autocast: Literal["bf16"] | None
    """What products are computed in while the adapter stays in fp32."""
    attention: Literal["varlen", "segments"]
    """One call for all rows (FlashAttention with variable lengths), or one a row."""
    kernels: bool
    """Whether transformers may take kernels of the community in place of its own layers."""
    optimizer: Literal["adamw_torch_fused", "paged_adamw_8bit", "adamw_8bit"]
    compiled: bool
    """Whether each layer is compiled before the first step."""
    tf32: bool
    """Whether fp32 products may round their factors to 10 bits of mantissa."""


def ways(hardware: Hardware, training: TrainingConfig, steps: int) -> Ways:
    """The ways for a run of `steps` steps with these settings."""
    single = precision_of(hardware, training) == "fp32"
    if hardware.device == "cpu":
        return Ways(
            precision="fp32" if single else "bf16",
            autocast=None,
            attention="segments",
            kernels=False,
            optimizer="adamw_torch_fused" if training.optimizer == "adamw" else "adamw_8bit",
            compiled=False,
            tf32=False,
        )
    capability = hardware.capability or (0, 0)
    modern = capability >= _AMPERE
    plain = training.quantization == "none" and training.recompute_activations != "always"
    precision = precision_of(hardware, training)
    return Ways(
        precision=precision,
        autocast="bf16" if precision == "bf16" else None,
        attention="varlen" if modern and not single else "segments",
        kernels="kernels" in hardware.packages and modern,
        optimizer="adamw_torch_fused" if training.optimizer == "adamw" else "paged_adamw_8bit",
        compiled=plain and steps >= _LONG and capability >= _VOLTA and "triton" in hardware.packages,
        tf32=modern,
    )


def precision_of(hardware: Hardware, training: TrainingConfig) -> Literal["fp32", "bf16"]:
    """The number format of the base weights: as asked for, or what the device multiplies fast.

    GPUs before Ampere are fast at fp16 alone, whose narrow range would need a loss scaler: they compute in fp32.
    """
    if training.precision != "auto":
        return training.precision
    if hardware.device == "cpu":
        return "bf16" if hardware.flags & CPU_BF16 else "fp32"
    return "bf16" if (hardware.capability or (0, 0)) >= _AMPERE else "fp32"
