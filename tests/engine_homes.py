"""Homes with adapters in them, for tests of the engine: random adapters of the tiny model, as a worker leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.config import RunConfig
from workbench.events import Finished
from workbench.home import Home
from workbench.runs.events_log import EventWriter
from workbench.runs.folder import RunFolder


def save_random_adapter(base: Path, folder: Path, seed: int = 1, *, config: Any = None, **options: Any) -> Path:
    """An adapter whose trained weights are all random, so that it changes every answer.

    `options` are LoraConfig's; `config` is another method's whole config.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **options}
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config or LoraConfig(**settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.mul_(1.3)
            elif parameter.requires_grad:
                parameter.normal_(0.0, 0.3)
    model.save_pretrained(str(folder))
    return folder


def save_run(home: Home, run_id: str, base: Path, *, seed: int = 1, **options: Any) -> RunFolder:
    """A run of the model in `base` with a finished adapter."""
    folder = RunFolder.create(home, RunConfig.parse({"base_model": f"folder:{base}"}), run_id=run_id)
    save_random_adapter(base, folder.adapter, seed, **options)
    writer = EventWriter(folder)
    writer.write(Finished(step=1, stopped=False))
    writer.close()
    return folder
