"""Blueprints from configs on the meta device: names, kinds, widths, ties, heads; and configs that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_gguf import write_tiny_gguf

from workbench.engine.blueprint import read_blueprint
from workbench.errors import WorkbenchError
from workbench.models.blueprint_file import read_blueprint_file, write_blueprint
from workbench.records.base_models import Blueprint, Module

SMALL: dict[str, dict[str, Any]] = {
    "llama": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4},
    "t5": {"d_model": 64, "d_ff": 96, "d_kv": 16, "num_layers": 2, "num_heads": 4},
    "bert": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
    "mixtral": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_local_experts": 3,
    },
    "qwen3": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "tie_word_embeddings": True,
    },
}


def small(model_type: str, task: str | None = None) -> Blueprint:
    """The Blueprint of a small model of that type."""
    return read_blueprint({"model_type": model_type, **SMALL[model_type]}, task=task)


def named(blueprint: Blueprint, ending: str) -> Module:
    """The first module whose name ends so."""
    return next(module for module in blueprint.modules if module.name.endswith(ending))


@pytest.mark.parametrize("model_type", SMALL)
def test_the_modules_add_up_to_the_model(model_type: str) -> None:
    blueprint = small(model_type)
    assert blueprint.parameters == sum(module.parameters for module in blueprint.modules if module.tied_to is None)
    assert blueprint.num_layers == 2
    assert blueprint.hidden_size == 64
    assert blueprint.intermediate_size in (96, 4 * 64)


@pytest.mark.parametrize("model_type", SMALL)
def test_the_file_gives_back_the_same_blueprint(model_type: str, tmp_path: Path) -> None:
    blueprint = small(model_type)
    assert read_blueprint_file(write_blueprint(blueprint, tmp_path / "b.json")) == blueprint


def test_conv1d_has_its_input_first() -> None:
    module = named(small("gpt2"), "h.1.attn.c_attn")
    assert (module.kind, module.in_features, module.out_features, module.bias, module.layer) == (
        "conv1d",
        64,
        192,
        True,
        1,
    )


def test_grouped_query_attention_and_a_wide_head() -> None:
    blueprint = small("qwen3")
    assert (named(blueprint, "q_proj").out_features, named(blueprint, "k_proj").out_features) == (128, 64)
    assert (blueprint.num_key_value_heads, blueprint.head_dim) == (2, 32)


def test_a_tied_head_names_what_it_is_tied_to_and_adds_nothing() -> None:
    blueprint = small("qwen3")
    head = named(blueprint, "lm_head")
    assert (blueprint.head, head.tied_to, head.parameters) == (
        "lm_head",
        "model.embed_tokens",
        head.in_features * head.out_features,
    )


def test_expert_tensors_are_entries_of_their_own() -> None:
    blueprint = small("mixtral")
    gate_up, down = named(blueprint, "experts.gate_up_proj"), named(blueprint, "experts.down_proj")
    assert (gate_up.kind, gate_up.experts, gate_up.in_features, gate_up.out_features) == ("experts", 3, 64, 192)
    assert (down.experts, down.in_features, down.out_features) == (3, 96, 64)


def test_activations_stand_in_the_list_with_nothing_of_their_own() -> None:
    assert named(small("llama"), "mlp.act_fn").parameters == 0


@pytest.mark.parametrize(
    ("model_type", "task", "architecture", "head"),
    [
        ("llama", None, "LlamaForCausalLM", "lm_head"),
        ("llama", "seq_cls", "LlamaForSequenceClassification", "score"),
        ("llama", "token_cls", "LlamaForTokenClassification", "score"),
        ("bert", None, "BertModel", None),
        ("bert", "seq_cls", "BertForSequenceClassification", "classifier"),
        ("t5", None, "T5ForConditionalGeneration", "lm_head"),
    ],
)
def test_the_task_decides_the_class_and_the_head(
    model_type: str, task: str | None, architecture: str, head: str | None
) -> None:
    blueprint = small(model_type, task)
    assert (blueprint.architecture, blueprint.head) == (architecture, head)


def test_architectures_decide_where_no_task_is_given() -> None:
    config = {"model_type": "bert", "architectures": ["BertForTokenClassification"], **SMALL["bert"]}
    assert read_blueprint(config).architecture == "BertForTokenClassification"


def test_a_gguf_file_is_enough(tmp_path: Path) -> None:
    blueprint = read_blueprint(write_tiny_gguf(tmp_path / "tiny.gguf"), model="gguf:tiny")
    assert (blueprint.model, blueprint.hidden_size, blueprint.num_layers) == ("gguf:tiny", 32, 1)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "no-such-type"},
        {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 0},
        {"model_type": "llama", "hidden_size": "wide"},
        {"model_type": "secret", "auto_map": {"AutoModelForCausalLM": "code.Model"}},
    ],
)
def test_a_config_that_cannot_be_read_is_a_sentence_and_a_remedy(config: dict[str, Any]) -> None:
    with pytest.raises(WorkbenchError, match="cannot be read") as caught:
        read_blueprint(config)
    assert caught.value.problems[0].field == "base_model"
    assert caught.value.remedy
