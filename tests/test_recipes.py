"""Every recipe is a whole run config that names its sources, and FinLoRA's own files open as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.presets import PRESETS
from workbench.recipes import recipe, recipes, started_from

USUAL = "hub:meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize("name", [each.name for each in recipes()])
def test_a_recipe_makes_a_run_config_that_can_be_counted(name: str) -> None:
    config = started_from(recipe(name), RunConfig())
    blueprint = read_blueprint_file(preset_path(recipe(name).config.get("base_model", USUAL)))
    assert config.method.check(blueprint) == []
    assert config.method.count(blueprint).trainable > 0


@pytest.mark.parametrize("name", [each.name for each in recipes()])
def test_a_recipe_names_where_it_comes_from(name: str) -> None:
    text = (PRESETS / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    assert uncommented(text) == []
    assert recipe(name).source
    assert recipe(name).about.endswith(".")


def uncommented(text: str) -> list[str]:
    """The values of a recipe's config without a comment behind or right above them that says where they come from."""
    lines = text.partition("\nconfig:\n")[2].splitlines()
    above = ["", *lines]
    return [
        line.strip()
        for line, before in zip(lines, above, strict=False)
        if not line.endswith(":") and not line.lstrip().startswith("#")
        if not ("#" in line or before.lstrip().startswith("#")) or "{" in line
    ]


def test_values_without_a_source_are_found() -> None:
    text = "source: x\nconfig:\n  method:\n    # here\n    rank: 4\n    alpha: 8\n  data: {max_length: 9}   # both\n"
    assert uncommented(text) == ["alpha: 8", "data: {max_length: 9}   # both"]


def test_a_recipe_keeps_base_model_and_dataset_that_it_does_not_name() -> None:
    mine = RunConfig.parse({"base_model": "hub:Qwen/Qwen3-0.6B", "data": {"dataset": "abc"}, "name": "mine"})
    made = started_from(recipe("lora-without-regret"), mine)
    assert (made.base_model, made.data.dataset, made.name) == ("hub:Qwen/Qwen3-0.6B", "abc", "mine")
    assert (made.training.schedule, made.method.kind) == ("constant", "lora")
    assert started_from(recipe("finlora-rslora"), mine).base_model == "hub:meta-llama/Llama-3.1-8B-Instruct"


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(WorkbenchError, match="no recipe") as caught:
        recipe("nonsense")
    assert "qlora-guanaco" in caught.value.remedy


ENTRY = {
    "base_model": "meta-llama/Llama-3.1-8B-Instruct",
    "dataset_path": "data/train.jsonl",
    "lora_r": 8,
    "quant_bits": 8,
    "learning_rate": 0.0001,
    "num_epochs": 4,
    "batch_size": 8,
    "gradient_accumulation_steps": 2,
}


def finlora(path: Path, entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps(entries))
    return path


def test_a_finlora_file_opens_with_its_templates_defaults(tmp_path: Path) -> None:
    config = config_file.load(finlora(tmp_path / "finetune_configs.json", {"sentiment_8bits_r8": ENTRY}))
    assert (config.name, config.base_model) == ("sentiment_8bits_r8", "hub:meta-llama/Llama-3.1-8B-Instruct")
    assert (config.data.dataset, config.data.max_length, config.data.validation_share) == (
        "data/train.jsonl",
        4096,
        0.02,
    )
    method = config.method.model_dump()
    assert (method["kind"], method["rank"], method["alpha"], method["dropout"]) == ("lora", 8, 16, 0.05)
    assert method["target_modules"] == ("q_proj", "k_proj", "v_proj")
    training = config.training
    assert (training.schedule, training.warmup_steps, training.quantization) == ("cosine", 10, "int8")
    assert (training.epochs, training.batch_size, training.gradient_accumulation_steps) == (4, 8, 2)


@pytest.mark.parametrize(
    ("more", "kind", "packed"),
    [
        ({"peft_use_rslora": True}, "rslora", "int8"),
        ({"peft_use_dora": True, "quant_bits": 4}, "dora", "nf4-double"),
        ({"quant_bits": 16, "lora_alpha": 32}, "lora", "none"),
    ],
)
def test_its_variants_become_methods_and_quantizations(
    tmp_path: Path, more: dict[str, Any], kind: str, packed: str
) -> None:
    config = config_file.load(finlora(tmp_path / "c.json", {"one": {**ENTRY, **more}}))
    assert (config.method.kind, config.training.quantization) == (kind, packed)


def test_of_several_configs_one_is_picked_by_name(tmp_path: Path) -> None:
    path = finlora(tmp_path / "c.json", {"a": ENTRY, "b": {**ENTRY, "lora_r": 4}})
    with pytest.raises(WorkbenchError, match="holds 2 configs: a, b"):
        config_file.load(path)
    assert config_file.load(path, "b").method.model_dump()["rank"] == 4


PUBLISHED = {
    "sentiment_llama_3_1_8b_8bits_r8": ENTRY,
    "sentiment_llama_3_1_8b_4bits_r4": {**ENTRY, "quant_bits": 4, "lora_r": 4},
    "sentiment_llama_3_1_8b_8bits_r8_dora": {**ENTRY, "peft_use_dora": True},
    "sentiment_llama_3_1_8b_8bits_r8_rslora": {**ENTRY, "peft_use_rslora": True},
}
"""The shape of the file that FinLoRA publishes, in which DoRA stands on 8 bit."""


def test_a_faulty_entry_keeps_no_other_from_being_picked_and_is_named_itself(tmp_path: Path) -> None:
    path = finlora(tmp_path / "finetune_configs.json", PUBLISHED)
    assert config_file.names_in(path) == tuple(PUBLISHED)
    assert config_file.load(path, "sentiment_llama_3_1_8b_8bits_r8_rslora").method.kind == "rslora"
    with pytest.raises(WorkbenchError) as caught:
        config_file.load(path, "sentiment_llama_3_1_8b_8bits_r8_dora")
    (problem,) = caught.value.problems
    assert problem.field == "sentiment_llama_3_1_8b_8bits_r8_dora.training.quantization"


@pytest.mark.parametrize("bits", [2, 3, 32])
def test_a_number_of_bits_that_nothing_is_packed_into_is_refused(tmp_path: Path, bits: int) -> None:
    path = finlora(tmp_path / "c.json", {"a": ENTRY, "odd": {**ENTRY, "quant_bits": bits}})
    with pytest.raises(WorkbenchError, match="4, 8 or 16") as caught:
        config_file.load(path, "odd")
    assert caught.value.problems[0].field == "odd.quant_bits"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no named settings"),
        ('{"a": {"base_model": "x"}}', "needed"),
        (json.dumps({"a": {**ENTRY, "surprise": 1}}), "no such setting"),
        (json.dumps({"a": {**ENTRY, "peft_use_dora": True}}), "DoRA reads the norms"),
    ],
)
def test_what_cannot_be_taken_over_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(WorkbenchError) as caught:
        config_file.load(path)
    assert any(words in problem.message for problem in caught.value.problems)
