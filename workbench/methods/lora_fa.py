"""LoRA-FA: LoRA whose A stays frozen, so that inputs need not be kept for it (Zhang et al. 2023, section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.initialised import Initialised
from workbench.records.base_models import Module


@METHODS.add("lora_fa")
class LoraFrozenA(Initialised):
    """The second matrix alone is trained."""

    title: ClassVar[str] = "LoRA-FA"
    summary: ClassVar[str] = "LoRA that trains the second matrix alone, which saves memory for activations."
    order: ClassVar[int] = 4
    kind: Literal["lora_fa"] = "lora_fa"

    def prepare(self, model: Any, folder: Path) -> None:
        for name, weight in model.named_parameters():
            if "lora_A." in name:
                weight.requires_grad_(False)

    def each(self, module: Module, rank: int) -> int:
        # peft's optimizer freezes what is called lora_A; an embedding's matrix has another name and stays trained.
        frozen = 0 if module.kind == "embedding" else rank * module.experts * module.in_features
        return super().each(module, rank) - frozen

    def formula(self, module: Module, rank: int) -> str:
        both = f"({module.in_features:,} + {module.out_features:,})"
        whole = super().formula(module, rank)
        return whole if module.kind == "embedding" else whole.replace(both, f"{module.out_features:,}", 1)
