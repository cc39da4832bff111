"""Counts that others published, met exactly."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from workbench.calculator import count
from workbench.config import RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.records.base_models import Blueprint, ParameterCount

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("published_counts.json").read_text())["cases"]
OPTIONS = ("rank", "target_modules", "layers_to_transform")


@cache
def blueprint(config: str) -> Blueprint:
    """The Blueprint of a config in JSON; several cases share one."""
    return read_blueprint(json.loads(config))


def counted(case: dict[str, Any]) -> ParameterCount:
    """Our count of a published case."""
    method = {"kind": case["method"], **{name: case[name] for name in OPTIONS if name in case}}
    return count(RunConfig.parse({"method": method}), blueprint(json.dumps(case["config"])))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['model']}-{case['method']}-{case['rank']}")
def test_a_published_count_is_met_exactly(case: dict[str, Any]) -> None:
    found = counted(case)
    assert found.trainable == case["trainable"]
    if "total_with_adapter" in case:
        assert found.base + found.trainable == case["total_with_adapter"]


def test_the_reduction_of_the_70b_case_is_6333_and_not_the_published_slip() -> None:
    case = next(case for case in CASES if case["model"] == "Llama-3.1-70B")
    found = counted(case)
    assert f"{found.base / found.trainable:,.0f}" == "6,333"
    assert f"{70.6e9 / found.trainable:,.0f}" == "6,337"
