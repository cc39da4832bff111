"""The YAML of a run config: help texts as comments, an exact way back, every problem named."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.training_config import TrainingConfig


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    config = RunConfig.parse(
        {
            "name": "café: “quoted” # not a comment",
            "method": {"kind": "lora", "rank": 3, "target_modules": ["q_proj", "v_proj"]},
            "training": {"learning_rate": 3e-5, "max_steps": 7},
        }
    )
    path = tmp_path / "run.yaml"
    config_file.save(config, path)
    assert config_file.load(path) == config
    assert list(tmp_path.iterdir()) == [path]


def test_each_help_text_stands_as_a_comment_above_its_key() -> None:
    lines = config_file.to_yaml(RunConfig()).splitlines()
    above = lines[lines.index("  learning_rate: 0.0002") - 1]
    description = TrainingConfig.model_fields["learning_rate"].description
    assert description is not None
    assert above == f"  # {description}"
    assert any("One of: linear, cosine, constant." in line for line in lines)


def test_numbers_and_words_mean_what_people_write() -> None:
    assert config_file.from_yaml("training: {learning_rate: 2e-4}").training.learning_rate == 2e-4
    assert config_file.from_yaml("name: no").name == "no"


def test_an_empty_file_is_the_default_run() -> None:
    assert config_file.from_yaml("") == RunConfig()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method: [", "not YAML"),
        ("- 1\n- 2", "mapping of settings"),
        ("name: a\nname: b", "stands twice"),
        ("method: {rank: yes}", "whole number"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("method: 5", "mapping with a kind"),
    ],
)
def test_a_faulty_file_says_what_is_wrong(text: str, expected: str) -> None:
    with pytest.raises(WorkbenchError, match=expected) as caught:
        config_file.from_yaml(text)
    assert caught.value.remedy


def test_a_missing_file_and_a_folder_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="no file"):
        config_file.load(tmp_path / "none.yaml")
    with pytest.raises(WorkbenchError, match="folder"):
        config_file.load(tmp_path)


def test_bytes_that_are_not_text_are_said_so(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(WorkbenchError, match="UTF-8"):
        config_file.load(path)
