"""LoRA: a frozen weight W gets a trained low-rank update (alpha / rank)·B·A (Hu et al. 2021, section 4.1)."""

from __future__ import annotations

from typing import ClassVar, Literal

from workbench.method import METHODS
from workbench.methods.initialised import Initialised


@METHODS.add("lora")
class Lora(Initialised):
    """Two small matrices beside each target module, and nothing else."""

    title: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = "Trains two small matrices beside each target module; the base model stays as it is."
    order: ClassVar[int] = 0
    kind: Literal["lora"] = "lora"
