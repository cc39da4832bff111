"""FinLoRA's ``finetune_configs.json`` as run configs: its keys, and the defaults of the template that reads them.

An entry is made into a run config only when it is picked: the published file holds some that are refused here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of

_TARGETS = ["q_proj", "k_proj", "v_proj"]
_PACKED = {4: "nf4-double", 8: "int8", 16: "none"}


class FinLoraConfig(BaseModel):
    """One entry of such a file; what it leaves out has its template's value."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    base_model: str
    dataset_path: str
    lora_r: int
    quant_bits: Literal[4, 8, 16] = 16
    learning_rate: float = 1e-4
    num_epochs: float = 4
    batch_size: int = 8
    gradient_accumulation_steps: int = 2
    lora_alpha: float = 16
    lora_dropout: float = 0.05
    peft_use_dora: bool = False
    peft_use_rslora: bool = False


def entries_in(text: str) -> dict[str, Any]:
    """The entries of a file by their names, each as it stands there; raises `WorkbenchError` when it holds none."""
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise WorkbenchError(f"This is not JSON: {error}.", remedy="Correct the file, or save it anew.") from error
    if not isinstance(entries, dict) or not entries:
        raise WorkbenchError(
            "This is no run config: it holds no named settings.", remedy="Open a YAML file or a finetune_configs.json."
        )
    return {"config": entries} if "base_model" in entries else entries


def run_config(name: str, entry: Any) -> RunConfig:
    """The config that an entry describes; raises `WorkbenchError` with every problem beside its field in ``name``."""
    try:
        told = FinLoraConfig.model_validate(entry)
    except ValidationError as error:
        raise WorkbenchError.of(problems_of(error, [name])) from error
    try:
        return _as_run(name, told)
    except WorkbenchError as error:
        raise WorkbenchError.of(
            replace(problem, field=f"{name}.{problem.field}" if problem.field else name) for problem in error.problems
        ) from error


def _as_run(name: str, told: FinLoraConfig) -> RunConfig:
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
                "quantization": _PACKED[told.quant_bits],
            },
        }
    )
