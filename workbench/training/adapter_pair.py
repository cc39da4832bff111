"""LoRA and a prefix in one model, trained together: two of peft's adapters, each with a wrapper of its own to save it.

peft takes no prefix into a model that has LoRA. But its prefix stands outside the modules, so a second wrapper around
the model with LoRA in it does what is wanted; it freezes what it finds, and LoRA has to be woken again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModelForCausalLM, get_peft_model

from workbench.adapter_folder import LORA_PART, PREFIX_PART
from workbench.methods.lora_prefix import LoraWithPrefix
from workbench.task import Task
from workbench.training.adapter import AdapterWeights


class AdapterPair:
    """Both adapters on `base`; `model` is what is trained."""

    def __init__(self, base: Any, method: LoraWithPrefix, task: Task) -> None:
        adapted = get_peft_model(base, method.peft_config(task), autocast_adapter_dtype=True)
        learning = [weight for weight in adapted.parameters() if weight.requires_grad]
        inner = adapted.get_base_model()
        self.model: Any = PeftModelForCausalLM(inner, method.prefix_config(task), autocast_adapter_dtype=True)
        for weight in learning:
            weight.requires_grad_(True)
        self._parts = {LORA_PART: AdapterWeights(adapted), PREFIX_PART: AdapterWeights(self.model)}

    def save(self, folder: Path) -> None:
        for name, part in self._parts.items():
            part.save(folder / name)

    def restore(self, folder: Path) -> None:
        for name, part in self._parts.items():
            part.restore(folder / name)

    def take_over(self, folder: Path) -> None:
        for name, part in self._parts.items():
            part.take_over(folder / name)
