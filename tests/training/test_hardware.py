"""The ways chosen for machines that are not here."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.training.hardware import Hardware, Ways, ways
from workbench.training_config import TrainingConfig

EVERYTHING = frozenset({"kernels", "triton", "bitsandbytes"})
T4 = Hardware(device="cuda", name="Tesla T4", capability=(7, 5), packages=EVERYTHING)
RTX_4090 = Hardware(device="cuda", name="RTX 4090", capability=(8, 9), packages=EVERYTHING)
A100 = Hardware(device="cuda", name="A100-SXM4-80GB", capability=(8, 0), packages=EVERYTHING)
H100 = Hardware(device="cuda", name="H100 80GB HBM3", capability=(9, 0), packages=EVERYTHING)
LAPTOP = Hardware(device="cpu", name="laptop", flags=frozenset({"avx2", "fma"}), cores=8)
SAPPHIRE_RAPIDS = Hardware(device="cpu", name="Xeon", flags=frozenset({"avx512f", "amx_bf16", "avx512_bf16"}), cores=32)


def chosen(hardware: Hardware, steps: int = 2000, **training: Any) -> Ways:
    return ways(hardware, TrainingConfig(**training), steps)


@pytest.mark.parametrize("hardware", [RTX_4090, A100, H100], ids=lambda hardware: hardware.name)
def test_modern_gpus_compute_in_bf16_with_one_attention_for_all_rows(hardware: Hardware) -> None:
    found = chosen(hardware)
    assert (found.precision, found.autocast, found.attention) == ("bf16", "bf16", "varlen")
    assert found.kernels and found.compiled and found.tf32
    assert found.optimizer == "adamw_torch_fused"


def test_a_t4_has_no_bf16_and_no_flash_attention() -> None:
    found = chosen(T4)
    assert (found.precision, found.autocast, found.attention) == ("fp32", None, "segments")
    assert not found.kernels and not found.tf32
    assert found.compiled


def test_compiling_waits_for_long_runs_with_plain_weights() -> None:
    assert not chosen(H100, steps=200).compiled
    assert not chosen(H100, quantization="nf4").compiled
    assert not chosen(H100, recompute_activations="always").compiled
    assert not chosen(H100.model_copy(update={"packages": frozenset()})).compiled


def test_the_8_bit_optimizer_pages_on_a_gpu_alone() -> None:
    assert chosen(A100, optimizer="adamw-8bit").optimizer == "paged_adamw_8bit"
    assert chosen(LAPTOP, optimizer="adamw-8bit").optimizer == "adamw_8bit"


def test_a_cpu_computes_in_what_it_has_instructions_for() -> None:
    assert chosen(LAPTOP).precision == "fp32"
    assert chosen(SAPPHIRE_RAPIDS).precision == "bf16"
    assert chosen(SAPPHIRE_RAPIDS).autocast is None
    for cpu in (LAPTOP, SAPPHIRE_RAPIDS):
        assert not chosen(cpu).compiled and chosen(cpu).attention == "segments"


def test_a_wish_for_a_precision_holds() -> None:
    found = chosen(H100, precision="fp32")
    assert (found.precision, found.autocast, found.attention) == ("fp32", None, "segments")
    assert chosen(LAPTOP, precision="bf16").precision == "bf16"
