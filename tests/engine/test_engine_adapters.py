"""Adapters that must not be loaded are refused with the reason; those that can be mixed are told from the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_homes import save_random_adapter
from engine_rows import MakeAdapter
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from workbench.engine.adapters import WEIGHTS, read_adapter, read_chat_template
from workbench.engine.own import Own
from workbench.errors import WorkbenchError


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    return loaded


def test_pickled_weights_are_refused(tmp_path: Path, make_adapter: MakeAdapter, model: PreTrainedModel) -> None:
    folder = make_adapter(tmp_path / "adapter")
    torch.save({}, folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(WorkbenchError, match=r"adapter_model\.bin, which can run code") as refusal:
        read_adapter("run", folder, Own.of(model))
    assert "safetensors" in refusal.value.remedy


def test_damaged_weights_are_refused(tmp_path: Path, make_adapter: MakeAdapter, model: PreTrainedModel) -> None:
    folder = make_adapter(tmp_path / "adapter")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:500])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        read_adapter("run", folder, Own.of(model))


def test_an_adapter_of_another_base_is_refused_by_shape_and_name(tmp_path: Path, model: PreTrainedModel) -> None:
    other = LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=48, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4)
    )
    other.save_pretrained(tmp_path / "other")
    folder = save_random_adapter(tmp_path / "other", tmp_path / "adapter")
    with pytest.raises(WorkbenchError) as refusal:
        read_adapter("run", folder, Own.of(model))
    told = str(refusal.value)
    assert "belongs to another base model" in told
    assert "is 160 × 64 here, but 96 × 48 in the adapter" in told
    assert len(refusal.value.problems) == 5


def test_what_is_no_plain_low_rank_update_is_not_mixed(
    tmp_path: Path, make_adapter: MakeAdapter, model: PreTrainedModel
) -> None:
    assert not read_adapter("run", make_adapter(tmp_path / "plain"), Own.of(model)).unmixable
    assert not read_adapter("run", make_adapter(tmp_path / "head", target_modules=["lm_head"]), Own.of(model)).unmixable
    saved = make_adapter(tmp_path / "saved", target_modules=["q_proj"], modules_to_save=["lm_head"])
    assert "whole weights" in read_adapter("run", saved, Own.of(model)).unmixable


def test_what_would_change_the_base_for_everybody_is_refused(
    tmp_path: Path, make_adapter: MakeAdapter, model: PreTrainedModel
) -> None:
    folder = make_adapter(tmp_path / "pissa", init_lora_weights="pissa")
    with pytest.raises(WorkbenchError, match="saved without conversion"):
        read_adapter("run", folder, Own.of(model))


def test_the_chat_template_beside_it_is_found(tmp_path: Path) -> None:
    assert read_chat_template(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "older"}')
    assert read_chat_template(tmp_path) == "older"
    (tmp_path / "chat_template.jinja").write_text("newer")
    assert read_chat_template(tmp_path) == "newer"
