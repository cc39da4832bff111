"""What a run has saved, loaded without the workbench: by peft, or by transformers where whole tensors were saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from workbench.adapter_folder import CHANGED_WEIGHTS, is_changed, is_pair

IDS = torch.arange(5, 25)[None]


def base_model(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def plainly_loaded(base: Path, adapter: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The base model with what was learnt, nothing merged that need not be."""
    model = base_model(base, dtype)
    if is_changed(adapter):
        outcome = model.load_state_dict(load_file(adapter / CHANGED_WEIGHTS), strict=False)
        assert not outcome.unexpected_keys
        return model
    if is_pair(adapter):
        inner = PeftModel.from_pretrained(model, adapter / "lora").get_base_model()
        return PeftModel.from_pretrained(inner, adapter / "prefix")
    return PeftModel.from_pretrained(model, adapter)


def merged(base: Path, adapter: Path, into: Path, dtype: torch.dtype = torch.float32) -> Any:
    """A whole model of its own, saved and loaded again as any other; None where a method cannot be merged."""
    if is_pair(adapter):  # the prefix cannot be merged, and stands on the merged model
        model = PeftModel.from_pretrained(base_model(base, dtype), adapter / "lora").merge_and_unload()
        model.save_pretrained(into)
        return PeftModel.from_pretrained(base_model(into, dtype), adapter / "prefix")
    model = plainly_loaded(base, adapter, dtype)
    if isinstance(model, PeftModel):
        if model.active_peft_config.is_prompt_learning:
            return None
        model = model.merge_and_unload()
    model.save_pretrained(into)
    return base_model(into, dtype)


def logits_of(model: Any) -> torch.Tensor:
    """Of some fixed tokens, without virtual ones."""
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=IDS).logits[:, -IDS.shape[1] :].float()
    return found
