"""A model's Blueprint, read from its config on the meta device: every module, no weight, no download beyond a config.

`python -m workbench.engine.blueprint` writes the Blueprints of ``presets/models.yaml`` anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
from transformers.pytorch_utils import Conv1D

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.blueprint_file import config_hash, write_blueprint
from workbench.models.presets import preset_models
from workbench.models.source import open_source
from workbench.records.base_models import Blueprint, Module, ModuleKind

_AUTO_CLASSES: dict[str, Any] = {
    "causal_lm": AutoModelForCausalLM,
    "seq2seq": AutoModelForSeq2SeqLM,
    "seq_cls": AutoModelForSequenceClassification,
    "token_cls": AutoModelForTokenClassification,
    "encoder": AutoModel,
}
_UNBUILDABLE = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
"""What transformers raises for a config that it does not know or whose numbers do not fit."""
_CLASSIFICATION_HEADS = ("score", "classifier")
"""peft's SEQ_CLS_HEAD_NAMES: the heads that all-linear leaves out."""
_LAYER = re.compile(r"\.(\d+)(?:\.|$)")


def blueprint_of(reference: str, home: Home) -> Blueprint:
    """The Blueprint of the model that `reference` names, from its config alone; weights are not fetched."""
    place = open_source(reference, home).config_path()
    files = [place] if place.is_file() else list(place.glob("*.safetensors"))
    found = read_blueprint(place, model=reference)
    return found.model_copy(update={"disk_bytes": sum(file.stat().st_size for file in files)}) if files else found


def read_blueprint(source: Path | str | dict[str, Any], *, model: str = "", task: str | None = None) -> Blueprint:
    """The Blueprint of a folder with a ``config.json``, of a ``.gguf`` file, or of a config's own fields.

    `model` is the reference to note in it. `task` is one of ``causal_lm``, ``seq2seq``, ``seq_cls``, ``token_cls``,
    ``encoder``; without it the config's ``architectures`` decides, else what models of its type are mostly used for.
    Raises `WorkbenchError` for a config that transformers does not know or cannot build.
    """
    config = load_config(source)
    task = task or task_of(config)
    built = build_on_meta(config, task)
    return _blueprint(built, task, model or str(source if not isinstance(source, dict) else config.model_type))


def load_config(source: Path | str | dict[str, Any]) -> PretrainedConfig:
    """The transformers config in a folder, GGUF file or mapping; remote code never runs."""
    try:
        if isinstance(source, dict):
            fields = {key: value for key, value in source.items() if key not in ("model_type", "auto_map")}
            config = AutoConfig.for_model(source.get("model_type", ""), **fields)
        elif Path(source).suffix == ".gguf":
            config = AutoConfig.from_pretrained(Path(source).parent, gguf_file=Path(source).name)
        else:
            config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    except _UNBUILDABLE as error:
        raise _unreadable(source, error) from error
    return config


def build_on_meta(config: PretrainedConfig, task: str | None = None) -> PreTrainedModel:
    """The model of `config` with its shapes and ties, and no numbers in its weights."""
    automatic = _AUTO_CLASSES[task or task_of(config)]
    try:
        with torch.device("meta"), no_init_weights():
            model = automatic.from_config(config, trust_remote_code=False)
    except _UNBUILDABLE as error:
        raise _unreadable(config.model_type, error) from error
    model.tie_weights()
    return cast(PreTrainedModel, model)


def task_of(config: PretrainedConfig) -> str:
    """What the model is for: by its ``architectures``, else by what its type is known for."""
    named = (config.architectures or [""])[0]
    for ending, task in (
        ("ForSequenceClassification", "seq_cls"),
        ("ForTokenClassification", "token_cls"),
        ("ForCausalLM", "causal_lm"),
        ("LMHeadModel", "causal_lm"),
    ):
        if named.endswith(ending):
            return task
    if config.model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "seq2seq"
    encoder = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    return "causal_lm" if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not encoder else "encoder"


def _unreadable(source: object, error: Exception) -> WorkbenchError:
    name = source.get("model_type", "without model_type") if isinstance(source, dict) else source
    reason = str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
    return WorkbenchError(
        f"The config of {name} cannot be read: {reason}",
        remedy="Choose a model whose type transformers knows; models that bring their own code are never run.",
        field="base_model",
    )


def _blueprint(model: PreTrainedModel, task: str, reference: str) -> Blueprint:
    config: Any = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", 0) or 0
    hidden = config.hidden_size
    modules = _modules(model)
    has_experts = any(module.kind == "experts" for module in modules)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    dtype = config.dtype or torch.float32
    return Blueprint(
        model=reference,
        config_hash=config_hash(model.config.to_diff_dict()),
        architecture=type(model).__name__,
        model_type=model.config.model_type,
        modules=modules,
        parameters=parameters,
        hidden_size=hidden,
        intermediate_size=_first(config, "intermediate_size", "ffn_dim", "n_inner", "d_ff") or 4 * hidden,
        num_layers=config.num_hidden_layers,
        num_attention_heads=heads,
        num_key_value_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_dim=getattr(config, "head_dim", None) or (hidden // heads if heads else 0),
        vocab_size=config.vocab_size,
        context_length=_first(config, "max_position_embeddings", "n_positions") or 0,
        dtype=str(dtype).removeprefix("torch."),
        disk_bytes=parameters * dtype.itemsize,
        head=_head(model),
        task=task,
        kv_width=_kv_width(config),
        expert_naming=_expert_naming(model.config.model_type) if has_experts else None,
    )


def _kv_width(config: Any) -> int:
    """peft's rule for the width of a prefix: of the key heads where a config counts them, else the model's own."""
    fields = config.to_dict()
    if "num_key_value_heads" not in fields:
        return int(config.hidden_size)
    head_dim = fields.get("head_dim") or config.hidden_size // config.num_attention_heads
    return int(head_dim * config.num_key_value_heads)


def _expert_naming(model_type: str) -> str | None:
    """The family by which peft maps names of separate experts, if it does in this model."""
    # Imported here: peft takes seconds to load, and only mixtures of experts need it.
    from peft.utils import transformers_weight_conversion

    rules: Any = transformers_weight_conversion
    naming: str | None = rules._MODEL_TO_CONVERSION_PATTERN.get(model_type)
    known = naming in rules._MOE_TARGET_MODULE_MAPPING
    return naming if known and rules.get_checkpoint_conversion_mapping(model_type) is not None else None


def _first(config: Any, *names: str) -> int | None:
    """The first of the fields `names` that the config has; model families call the same thing differently."""
    return next((value for name in names if isinstance(value := getattr(config, name, None), int)), None)


def _head(model: Any) -> str | None:
    output = model.get_output_embeddings()
    if output is None:
        output = next((found for name in _CLASSIFICATION_HEADS if (found := getattr(model, name, None))), None)
    return next((name for name, module in model.named_modules() if module is output), None)


def _modules(model: PreTrainedModel) -> tuple[Module, ...]:
    owners: dict[int, str] = {}
    found: list[Module] = []
    for name, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if own or not any(True for _ in module.children()):
            found.extend(_entries(name, module, own, owners))
    return tuple(found)


def _entries(name: str, module: nn.Module, own: dict[str, nn.Parameter], owners: dict[int, str]) -> list[Module]:
    """One entry for a module, or one for each of its tensors where it stacks the matrices of many experts."""
    stacked = {key: value for key, value in own.items() if value.dim() == 3}
    if stacked:
        return [_expert_tensor(f"{name}.{key}", key, value, module) for key, value in stacked.items()]
    kind, width_in, width_out = _shape(module, own)
    weight = own.get("weight")
    tied_to = owners.setdefault(id(weight), name) if weight is not None else name
    return [
        Module(
            name=name,
            kind=kind,
            in_features=width_in,
            out_features=width_out,
            bias=own.get("bias") is not None,
            tied_to=tied_to if tied_to != name else None,
            layer=_layer(name),
            parameters=sum(parameter.numel() for parameter in own.values()),
        )
    ]


def _shape(module: nn.Module, own: dict[str, nn.Parameter]) -> tuple[ModuleKind, int, int]:
    if isinstance(module, nn.Linear):
        return "linear", module.in_features, module.out_features
    if isinstance(module, Conv1D):
        width_in, width_out = module.weight.shape
        return "conv1d", width_in, width_out
    if isinstance(module, nn.Embedding):
        return "embedding", module.num_embeddings, module.embedding_dim
    weight = own.get("weight")
    if weight is not None and weight.dim() == 1 and "norm" in type(module).__name__.lower():
        return "norm", weight.numel(), weight.numel()
    if weight is not None and weight.dim() == 2:
        return "other", weight.shape[1], weight.shape[0]
    bias = own.get("bias")
    return "other", 0, bias.numel() if bias is not None else 0


def _expert_tensor(name: str, key: str, tensor: nn.Parameter, module: nn.Module) -> Module:
    """Stacked as (experts, out, in), or (experts, in, out) where the module says that it is transposed."""
    experts, width_out, width_in = tensor.shape
    if getattr(module, "is_transposed", False):
        width_in, width_out = width_out, width_in
    return Module(
        name=name,
        kind="experts",
        in_features=width_in,
        out_features=width_out,
        layer=_layer(name),
        experts=experts,
        parameters=tensor.numel(),
    )


def _layer(name: str) -> int | None:
    number = _LAYER.search("." + name)
    return int(number.group(1)) if number else None


def write_presets() -> None:
    """Write the Blueprint of every preset model whose config stands in ``presets/models.yaml``."""
    for preset in preset_models():
        blueprint = read_blueprint(preset.config, model=preset.reference)
        if blueprint.parameters != preset.parameters:
            raise WorkbenchError(
                f"{preset.name} has {blueprint.parameters:,} parameters, published are {preset.parameters:,}."
            )
        path = write_blueprint(blueprint.model_copy(update={"disk_bytes": preset.download_bytes}))
        print(f"{preset.name}: {blueprint.parameters:,} parameters, {path.name}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    write_presets()
