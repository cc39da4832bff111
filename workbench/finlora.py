"""FinLoRA's ``finetune_configs.json`` as run configs: its keys, and the defaults of the template that reads them."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of

_TARGETS = ["q_proj", "k_proj", "v_proj"]
_PACKED = {4: "nf4", 8: "int8", 16: "none"}


class FinLoraConfig(BaseModel):
    """One entry of such a file; what it leaves out has its template's value."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    base_model: str
    dataset_path: str
    lora_r: int
    quant_bits: int = 16
    learning_rate: float = 1e-4
    num_epochs: float = 4
    batch_size: int = 8
    gradient_accumulation_steps: int = 2
    lora_alpha: float = 16
    lora_dropout: float = 0.05
    peft_use_dora: bool = False
    peft_use_rslora: bool = False


def configs_in(text: str) -> dict[str, RunConfig]:
    """The configs of a file by their names; raises `WorkbenchError` with every problem when it is none of these."""
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise WorkbenchError(f"This is not JSON: {error}.", remedy="Correct the file, or save it anew.") from error
    if not isinstance(entries, dict) or not entries:
        raise WorkbenchError(
            "This is no run config: it holds no named settings.", remedy="Open a YAML file or a finetune_configs.json."
        )
    if "base_model" in entries:
        entries = {"config": entries}
    return {name: _run_config(name, entry) for name, entry in entries.items()}


def _run_config(name: str, entry: Any) -> RunConfig:
    try:
        told = FinLoraConfig.model_validate(entry)
    except ValidationError as error:
        raise WorkbenchError.of(problems_of(error, [name])) from error
    return RunConfig.parse(
        {
            "name": name,
            "base_model": told.base_model if ":" in told.base_model else f"hub:{told.base_model}",
            "data": {"dataset": told.dataset_path, "max_length": 4096, "validation_share": 0.02},
            "method": {
                "kind": "dora" if told.peft_use_dora else "rslora" if told.peft_use_rslora else "lora",
                "rank": told.lora_r,
                "alpha": told.lora_alpha,
                "dropout": told.lora_dropout,
                "target_modules": _TARGETS,
            },
            "training": {
                "epochs": told.num_epochs,
                "learning_rate": told.learning_rate,
                "batch_size": told.batch_size,
                "gradient_accumulation_steps": told.gradient_accumulation_steps,
                "schedule": "cosine",
                "warmup_steps": 10,
                "quantization": _PACKED.get(told.quant_bits, "none"),
            },
        }
    )
