"""Virtual tokens: a trained prefix, keys and values that a row finds in its memory, or a prompt that it reads first."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from workbench.adapter_folder import LORA_PART, PREFIX_PART
from workbench.engine.adapters import (
    Adapter,
    combined_hash,
    other_base,
    read_adapter,
    read_chat_template,
    read_config,
    read_weights,
)
from workbench.engine.own import Own
from workbench.errors import WorkbenchError

Prefix = tuple[tuple[Tensor, Tensor], ...]
_SAVED = "prompt_embeddings"


def is_prefix(folder: Path) -> bool:
    """Whether the peft adapter in `folder` is a prefix."""
    return _kind(folder) == "PREFIX_TUNING"


def is_prompt(folder: Path) -> bool:
    """Whether the peft adapter in `folder` is a prompt of trained embeddings; P-tuning saves one as well."""
    return _kind(folder) in ("PROMPT_TUNING", "P_TUNING")


def _kind(folder: Path) -> str:
    return str(getattr(read_config(folder).peft_type, "value", ""))


def read_prefix_adapter(name: str, folder: Path, own: Own) -> Adapter:
    """Prefix tuning alone: the model's modules stay as they are, so it goes with any other rows."""
    return Adapter(
        name=name,
        folder=folder,
        hash=combined_hash([folder]),
        method="prefix_tuning",
        rank=None,
        chat_template=read_chat_template(folder),
        prefix=_prefix(folder, own),
    )


def read_prompt_adapter(name: str, folder: Path, own: Own) -> Adapter:
    """Prompt tuning: its rows read the embeddings before their own tokens, beside any other rows."""
    saved = read_weights(folder).get(_SAVED)
    width = own.config.hidden_size
    if saved is None or saved.dim() != 2 or saved.shape[1] != width:
        raise other_base([f"This base model's prompt is {width} numbers a virtual token."])
    return Adapter(
        name=name,
        folder=folder,
        hash=combined_hash([folder]),
        method=_kind(folder).lower(),
        rank=None,
        chat_template=read_chat_template(folder),
        prompt=saved[None].to(own.device, own.example.dtype),
    )


def read_pair(name: str, folder: Path, own: Own) -> Adapter:
    """LoRA and a prefix that were trained together, both of them active in each of their rows."""
    lora = read_adapter(name, folder / LORA_PART, own)
    if lora.unmixable:
        raise WorkbenchError(
            f"The engine cannot run this pair of adapters: {lora.unmixable}.",
            remedy="Load its folders with peft.",
            field="model",
        )
    return Adapter(
        name=name,
        folder=folder,
        hash=combined_hash([folder / LORA_PART, folder / PREFIX_PART]),
        method="lora and prefix",
        rank=lora.rank,
        chat_template=read_chat_template(folder),
        modules=lora.modules,
        prefix=_prefix(folder / PREFIX_PART, own),
    )


def _prefix(folder: Path, own: Own) -> Prefix:
    """Of each layer (1, heads, tokens, width) keys and values; peft keeps them as (tokens, 2 x layers x heads x width).

    Raises `WorkbenchError` when the base model has other layers or heads.
    """
    saved = read_weights(folder).get(_SAVED)
    config = own.config
    layers, heads = config.num_hidden_layers, _key_heads(config)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if saved is None or saved.dim() != 2 or saved.shape[1] != 2 * layers * heads * width:
        raise other_base([f"This base model's prefix is {2 * layers * heads * width} numbers a virtual token."])
    both = saved.view(len(saved), 2 * layers, heads, width).permute(1, 2, 0, 3).to(own.device, own.example.dtype)
    return tuple((both[None, 2 * layer], both[None, 2 * layer + 1]) for layer in range(layers))


def _key_heads(config: object) -> int:
    own: int | None = getattr(config, "num_key_value_heads", None)
    every: int = getattr(config, "num_attention_heads")  # noqa: B009
    return own or every
