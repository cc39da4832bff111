"""Small models of every architecture that the calculator is held against peft on."""

from __future__ import annotations

from functools import cache
from typing import Any

from peft.utils import ModulesToSaveWrapper
from transformers import PreTrainedModel

from workbench.engine.blueprint import build_on_meta, load_config, read_blueprint
from workbench.records.base_models import Blueprint

_LLAMA_LIKE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
}
_BERT_LIKE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 120,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", **_LLAMA_LIKE, "attention_bias": True},
    "llama-tied": {"model_type": "llama", **_LLAMA_LIKE, "tie_word_embeddings": True},
    "qwen2": {"model_type": "qwen2", **_LLAMA_LIKE},
    "qwen3": {"model_type": "qwen3", **_LLAMA_LIKE, "head_dim": 32, "tie_word_embeddings": True},
    "mistral": {"model_type": "mistral", **_LLAMA_LIKE},
    "gemma2": {"model_type": "gemma2", **_LLAMA_LIKE, "head_dim": 16},
    "gemma3": {"model_type": "gemma3_text", **_LLAMA_LIKE, "head_dim": 32},
    "phi3": {"model_type": "phi3", **_LLAMA_LIKE, "pad_token_id": 0},
    "gpt2": {"model_type": "gpt2", "n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 120, "n_positions": 64},
    "opt": {"model_type": "opt", **_BERT_LIKE, "ffn_dim": 96, "word_embed_proj_dim": 64, "max_position_embeddings": 64},
    "bert": {"model_type": "bert", **_BERT_LIKE, "architectures": ["BertForSequenceClassification"]},
    "roberta": {"model_type": "roberta", **_BERT_LIKE, "architectures": ["RobertaForSequenceClassification"]},
    "deberta-v2": {"model_type": "deberta-v2", **_BERT_LIKE, "architectures": ["DebertaV2ForTokenClassification"]},
    "t5": {
        "model_type": "t5",
        "d_model": 64,
        "d_ff": 96,
        "d_kv": 16,
        "num_layers": 3,
        "num_heads": 4,
        "vocab_size": 120,
    },
    "mixtral": {"model_type": "mixtral", **_LLAMA_LIKE, "num_local_experts": 3},
    "qwen3-moe": {
        "model_type": "qwen3_moe",
        **_LLAMA_LIKE,
        "moe_intermediate_size": 48,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    },
}
PEFT_TASKS = {
    "causal_lm": "CAUSAL_LM",
    "seq2seq": "SEQ_2_SEQ_LM",
    "seq_cls": "SEQ_CLS",
    "token_cls": "TOKEN_CLS",
    "encoder": "FEATURE_EXTRACTION",
}


@cache
def blueprint(name: str) -> Blueprint:
    """The Blueprint of the small model of that name."""
    return read_blueprint(ARCHITECTURES[name])


def fresh(name: str) -> PreTrainedModel:
    """The model itself, without weights, to be taken apart by peft."""
    return build_on_meta(load_config(ARCHITECTURES[name]))


def trained(model: Any) -> int:
    """What is trained, without a classification head: a task's head is counted apart."""
    heads = {
        id(parameter)
        for name, module in model.named_modules()
        if isinstance(module, ModulesToSaveWrapper) and name.rpartition(".")[2] in ("classifier", "score")
        for parameter in module.parameters()
    }
    return sum(p.numel() for p in model.parameters() if p.requires_grad and id(p) not in heads)
