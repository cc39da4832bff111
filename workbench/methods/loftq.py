"""LoftQ: LoRA that starts by mending the error of quantisation (Li et al. 2023, section 3).

Its algorithm 1 with one round of quantising and mending: the base is packed as QLoRA packs it, and the adapter begins
at the best low-rank approximation of what packing lost. More rounds would change the packed base as well, and then the
adapter would be wrong on every other copy of that base.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from workbench.config import RunConfig
from workbench.errors import Problem
from workbench.method import METHODS
from workbench.methods.low_rank import LowRank
from workbench.records.base_models import ModuleKind


@METHODS.add("loftq")
class LoftQ(LowRank):
    """LoRA for a quantised base, started so that both together are close to the full weights."""

    title: ClassVar[str] = "LoftQ"
    summary: ClassVar[str] = "LoRA that starts by mending what quantising the base model to 4 bit lost."
    order: ClassVar[int] = 15
    plain: ClassVar[bool] = False
    adaptable: ClassVar[tuple[ModuleKind, ...]] = ("linear",)
    needs_cuda: ClassVar[str] = "LoftQ mends weights that are packed on a CUDA GPU, and this machine has none."
    unpacked: ClassVar[Mapping[str, str]] = {"int8": "LoftQ mends what 4 bits lose; 8 bits lose next to nothing."}
    kind: Literal["loftq"] = "loftq"

    def refusals(self, config: RunConfig, *, device: str, rows: int) -> list[Problem]:
        problems = super().refusals(config, device=device, rows=rows)
        if config.training.quantization == "none":
            remedy = "Choose nf4 or nf4-double, or the method LoRA."
            problems.append(Problem("LoftQ mends packed weights, and none are.", remedy, "training.quantization"))
        return problems

    def prepare(self, model: Any, folder: Path) -> None:
        import torch
        from peft.tuners.lora import LoraLayer
        from peft.utils.integrations import dequantize_module_weight

        places = _places(folder)
        for name, module in model.named_modules():
            if not isinstance(module, LoraLayer) or not hasattr(module.get_base_layer().weight, "quant_state"):
                continue
            full = _read(places, f"{name.removeprefix('base_model.model.')}.weight")
            packed = dequantize_module_weight(module.get_base_layer())
            (adapter,) = module.active_adapters
            down: Any = module.lora_A[adapter].weight
            up: Any = module.lora_B[adapter].weight
            first, second = halves(full.to(packed.device) - packed, len(down), module.scaling[adapter])
            with torch.no_grad():
                down.copy_(first)
                up.copy_(second)


def halves(lost: Any, rank: int, scaling: float) -> tuple[Any, Any]:
    """A (rank, in) and B (out, rank) with scaling·B·A the best approximation of the tensor `lost` (out, in)."""
    import torch

    left, values, right = torch.linalg.svd(lost.float(), full_matrices=False)
    root = (values[:rank] / scaling).sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root


def _places(folder: Path) -> dict[str, Path]:
    """Where each tensor of the model in `folder` lies."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / file for name, file in named.items()}
    with safe_open(folder / "model.safetensors", "pt") as file:
        return dict.fromkeys(file.keys(), folder / "model.safetensors")


def _read(places: dict[str, Path], name: str) -> Any:
    """The tensor `name`, which a file may hold without the name of the model's inner part."""
    from safetensors import safe_open

    found = name if name in places else name.partition(".")[2]
    with safe_open(places[found], "pt") as file:
        return file.get_tensor(found)
