"""What a study finds: the matrices that each module's adapter begins with. Kept in the run's folder for a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.training.starting_point import take_out

_DOWN, _UP = ".down", ".up"


class Start(NamedTuple):
    """Where one adapter begins: A (rank, in), and B (out, rank) where it is not zero."""

    down: Tensor
    up: Tensor | None = None


Findings = dict[str, Start]
"""By the module's name in the base model; a module that is missing gets no adapter."""


def save_findings(findings: Findings, path: Path) -> None:
    """Write them whole or not at all."""
    tensors = {f"{name}{_DOWN}": start.down.contiguous() for name, start in findings.items()}
    tensors |= {f"{name}{_UP}": start.up.contiguous() for name, start in findings.items() if start.up is not None}
    part = path.with_name(f"{path.name}.part")
    save_file(tensors, part)
    part.replace(path)


def load_findings(path: Path) -> Findings:
    """What `save_findings` wrote."""
    found = load_file(path)
    names = [name.removesuffix(_DOWN) for name in found if name.endswith(_DOWN)]
    return {name: Start(found[f"{name}{_DOWN}"], found.get(f"{name}{_UP}")) for name in names}


def begin_with(adapted: Any, findings: Findings, *, take: bool) -> None:
    """Put them into the adapters of the peft model `adapted`; with `take` the base gives up what they begin with."""
    for name, module in adapted.named_modules():
        start = findings.get(name.removeprefix("base_model.model."))
        if start is None or not isinstance(module, LoraLayer):
            continue
        (adapter,) = module.active_adapters
        down: Any = module.lora_A[adapter].weight
        up: Any = module.lora_B[adapter].weight
        with torch.no_grad():
            down.copy_(start.down)
            if start.up is not None:
                up.copy_(start.up)
        if take and start.up is not None:
            take_out(module, start.down, start.up)
