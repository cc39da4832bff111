"""``workbench params``: a config, options over it, a table for people and data for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli.main import main
from workbench.cli.params import Overrides, overridden
from workbench.config import RunConfig
from workbench.methods.targeted import Targeted

LLAMA_70B = "hub:meta-llama/Llama-3.1-70B-Instruct"


def call(*arguments: str, expect: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["params", *arguments])
    assert ended.value.code == expect


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))


def test_a_70b_model_is_counted_without_weights(capsys: pytest.CaptureFixture[str]) -> None:
    call("--model", LLAMA_70B, "--rank", "4", "--targets", "q_proj,k_proj,v_proj", "--json")
    data = json.loads(capsys.readouterr().out)
    assert (data["trainable"], data["base"]) == (11_141_120, 70_553_706_496)


def test_the_table_shows_the_formula_with_its_numbers_and_the_reduction(capsys: pytest.CaptureFixture[str]) -> None:
    call("--model", LLAMA_70B, "--rank", "4", "--targets", "q_proj,k_proj,v_proj")
    shown = capsys.readouterr().out
    assert "4·(8,192 + 1,024)" in shown
    assert "6,333× fewer" in shown


def test_options_replace_what_a_config_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"base_model: {LLAMA_70B}\nmethod: {{rank: 64, target_modules: [q_proj]}}\n")
    call(str(path), "--rank", "1", "--json")
    assert json.loads(capsys.readouterr().out)["trainable"] == 80 * (8192 + 8192)


def test_another_method_starts_from_its_own_defaults() -> None:
    config = RunConfig.parse({"method": {"kind": "lora", "rank": 3}})
    changed = overridden(config, Overrides(method="dora", targets="all-linear"))
    assert changed.method == RunConfig.parse({"method": {"kind": "dora"}}).method


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("q_proj, v_proj", ("q_proj", "v_proj")),
        ("all-linear", "all-linear"),
        (r".*layers\.\d+\.mlp\..*", r".*layers\.\d+\.mlp\..*"),
        ("self_attn.q_proj", ("self_attn.q_proj",)),
    ],
)
def test_targets_are_names_or_an_expression(text: str, targets: object) -> None:
    method = overridden(RunConfig(), Overrides(targets=text)).method
    assert isinstance(method, Targeted)
    assert method.target_modules == targets


def test_a_target_that_the_model_lacks_names_those_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    call("--targets", "nope", expect=1)
    errors = capsys.readouterr().err
    assert "nope" in errors
    assert "q_proj" in errors
