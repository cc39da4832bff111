"""What only a GPU's run does, as far as a CPU reaches: one attention call for all rows, compiled layers, autocast."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import pytest
import torch
from plain_loading import base_model
from torch import Tensor
from torch.nn.attention import varlen
from training_runs import MakeRun, adapted, carry_out, losses, random_rows
from transformers import LlamaConfig

from workbench.training.attention import segment_attention
from workbench.training.batches import shared
from workbench.training.hardware import Ways
from workbench.training.machine import compile_layers, find_machine
from workbench.training.objective import Objective, choose_objective
from workbench.training.rows import Row
from workbench.training_config import TrainingConfig

WAYS: tuple[Literal["segments", "varlen"], ...] = ("segments", "varlen")
SIGNATURE = inspect.signature(varlen.varlen_attn)
GPU_WAYS = Ways(
    precision="bf16",
    autocast="bf16",
    attention="varlen",
    kernels=False,
    optimizer="adamw_torch_fused",
    compiled=True,
    tf32=False,
)


class Kernel:
    """Stands in for torch's kernel for variable lengths, with its signature: the plain formula, row by row."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *given: Any, **named: Any) -> Tensor:
        asked = SIGNATURE.bind(*given, **named).arguments
        query, key, value, ends = (asked[name] for name in ("query", "key", "value", "cu_seq_q"))
        assert query.dtype == key.dtype == value.dtype == torch.bfloat16
        assert asked["window_size"] == (-1, 0), "causal"
        assert torch.equal(ends, asked["cu_seq_k"]) and ends.dtype == torch.int32
        assert asked["max_q"] == asked["max_k"] == ends.diff().max()
        self.calls += 1
        group = query.shape[1] // key.shape[1]
        rows = [
            _row(query[start:end], key[start:end], value[start:end], group, asked.get("scale"))
            for start, end in pairwise(ends.tolist())
        ]
        return torch.cat(rows)


def _row(query: Tensor, key: Tensor, value: Tensor, group: int, scale: float | None) -> Tensor:
    """(t, heads, d) of one row: softmax(q·kᵀ)·v, computed in single precision."""
    key, value = (states.repeat_interleave(group, 1).float() for states in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query.float(), key) * (scale or query.shape[-1] ** -0.5)
    later = torch.ones(len(query), len(query), dtype=torch.bool).triu_(1)
    weights = scores.masked_fill(later, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, value).to(query.dtype)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(varlen, "varlen_attn", kernel)
    return kernel


@pytest.mark.parametrize("common", [0, 3])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_one_call_for_all_rows_gives_what_one_a_row_gives(kernel: Kernel, common: int, key_heads: int) -> None:
    rows = []
    for number, length in enumerate((7, 12, 5)):
        tokens = torch.arange(length) + 100 * number
        tokens[:common] = torch.arange(common)
        rows.append(Row(tokens, torch.ones(length, dtype=torch.bool)))
    batch = shared(rows)
    tokens = batch["input_ids"].shape[1]
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, tokens, 8, dtype=torch.bfloat16) for heads in (4, key_heads, key_heads))
    places = {name: batch[name] for name in ("segments", "spread", "first") if name in batch}
    assert ("spread" in places) is (common > 0)

    def attend(**way: Any) -> Tensor:
        return segment_attention(torch.nn.Module(), query, key, value, None, scaling=0.3, **places, **way)[0]

    found, expected = attend(at_once=True), attend()
    assert kernel.calls == 1
    assert found.shape == expected.shape == (1, tokens, 4, 8)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_a_way_that_takes_a_call_a_row_never_reaches_the_kernel(kernel: Kernel) -> None:
    """As on a T4, whatever number format was asked for."""
    for way in WAYS:
        kernel.calls = 0
        objective = choose_objective(adapted("llama").to(torch.bfloat16), random_rows(), rows_attend=way)
        assert objective.layout.startswith("flattened")
        objective(objective.collate([random_rows()[0]]))
        assert (kernel.calls > 0) is (way == "varlen")


@pytest.mark.parametrize("folder", ["tiny_model_folder", "tiny_gpt2_folder"])
def test_the_layers_are_compiled_by_whatever_name_they_go(
    folder: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = told_compilations(monkeypatch)
    model = base_model(request.getfixturevalue(folder))
    assert compile_layers(model) == len(compiled) == model.config.num_hidden_layers
    assert {type(layer).__name__ for layer in compiled} <= {"LlamaDecoderLayer", "GPT2Block"}


def test_a_model_without_layers_is_not_told_as_compiled() -> None:
    model: Any = torch.nn.Linear(2, 2)
    model.config = LlamaConfig(num_hidden_layers=2)
    on_gpu = find_machine(TrainingConfig())
    hardware = on_gpu.hardware.model_copy(
        update={"device": "cuda", "capability": (9, 0), "packages": frozenset({"triton"})}
    )
    assert not replace(on_gpu, hardware=hardware).for_steps(TrainingConfig(), 5000, model).ways.compiled


def told_compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    compiled: list[Any] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **_: compiled.append(module))
    return compiled


def test_a_run_computes_as_on_a_gpu_and_learns_the_same(
    make_run: MakeRun, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bf16 weights and products, the adapter in fp32, one attention call for all rows, layers compiled."""
    settings: dict[str, Any] = {"method": {"dropout": 0.0}, "max_steps": 6}
    plain, run = make_run(**settings), make_run(**settings)
    carry_out(plain)
    compiled = told_compilations(monkeypatch)
    formats: set[torch.dtype] = set()
    loss_of = Objective.__call__

    def watched(self: Objective, batch: Any) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            formats.update(weight.dtype for weight in self.model.parameters() if weight.requires_grad)
        return loss_of(self, batch)

    monkeypatch.setattr(Objective, "__call__", watched)
    monkeypatch.setattr("workbench.training.machine.ways", lambda *_, **__: GPU_WAYS)
    carry_out(run)
    assert json.loads(run.environment.read_text())["ways"] == GPU_WAYS.model_dump()
    assert formats == {torch.float32}
    assert kernel.calls > 3 * 6
    assert len(compiled) == 3
    half = torch.finfo(torch.bfloat16).eps
    for step, loss in losses(plain).items():
        assert losses(run)[step] == pytest.approx(loss, rel=6 * half)
