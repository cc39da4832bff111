"""Methods that begin inside the weights: the adapter starts as a part of each matrix, which the base then lacks.

An adapter of such a run is right only on the base that was changed for it. So the part that was taken is kept in the
run's folder: with it a later attempt stands on the very same base, and every saved adapter is turned into a plain one
for the untouched base, of twice the rank: s·(B·A - B0·A0) = s·[B, -B0]·[A; A0].
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_A, _B = ("lora_A.weight", "lora_embedding_A"), ("lora_B.weight", "lora_embedding_B")


class StartingPoint:
    """The matrices that a run's adapter began with, in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def taken(self) -> bool:
        """Whether an earlier attempt of the run has taken it."""
        return self.path.is_file()

    def keep(self, model: Any) -> None:
        """Write down the adapter of `model` as it is now, before it learns."""
        part = self.path.with_name(f"{self.path.name}.part")
        save_file({name: value.contiguous() for name, value in get_peft_model_state_dict(model).items()}, part)
        part.replace(self.path)

    def go_back_to(self, model: Any) -> None:
        """Take the same part out of the untouched base of `model` again, and put it into its adapter."""
        start = load_file(self.path)
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer) and f"{name}.{_A[0]}" in start:  # an embedding begins beside its weight
                take_out(module, start[f"{name}.{_A[0]}"], start[f"{name}.{_B[0]}"])
        set_peft_model_state_dict(model, start)

    def make_plain(self, folder: Path) -> None:
        """Turn the adapter saved in `folder` into one for the untouched base."""
        start, learnt = load_file(self.path), load_file(folder / _WEIGHTS)
        save_file({name: _both(name, value, start) for name, value in learnt.items()}, folder / _WEIGHTS)
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        config |= {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"], "init_lora_weights": True}
        for pattern in ("rank_pattern", "alpha_pattern"):
            config[pattern] = {name: 2 * value for name, value in (config.get(pattern) or {}).items()}
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def learnt_half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The adapter as it was trained, out of one that `StartingPoint.make_plain` has turned."""
    return {name: _first_half(name, value) for name, value in state.items()}


def take_out(module: Any, down: Tensor, up: Tensor) -> None:
    """The same sum that peft makes when it begins, in the weight of an adapted module: W - (s·B)·A."""
    (name,) = module.active_adapters
    base = module.get_base_layer()
    turned = bool(module.fan_in_fan_out)
    weight = base.weight.detach().float()
    weight = weight.T if turned else weight
    weight = (weight - module.scaling[name] * up @ down).to(base.weight.dtype)
    with torch.no_grad():
        base.weight.copy_(weight.T if turned else weight)


def _both(name: str, learnt: Tensor, start: dict[str, Tensor]) -> Tensor:
    if name.endswith(_A):
        return torch.cat([learnt, start[name]], dim=0)
    if name.endswith(_B):
        return torch.cat([learnt, -start[name]], dim=1)
    return learnt


def _first_half(name: str, value: Tensor) -> Tensor:
    if name.endswith(_A):
        return value[: value.shape[0] // 2].contiguous()
    if name.endswith(_B):
        return value[:, : value.shape[1] // 2].contiguous()
    return value
