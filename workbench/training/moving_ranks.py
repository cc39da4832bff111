"""AdaLoRA while it trains: its budget falls after each step, its matrices are kept orthogonal, its state survives.

peft does the pruning (Zhang et al. 2023, section 3.2). Ours is to tell it the run's length, to add the regulariser of
equation 4, which peft adds only where a model computes its own loss, and to keep what an exact resume needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft.tuners.adalora import AdaLoraModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.methods.adalora import FEWEST_STEPS, too_few_steps

FILE = "ranks.safetensors"
_PARTS = ("lora_A.", "lora_B.", "lora_E.", "ranknum.")
_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class MovingRanks:
    """The AdaLoRA adapter on a peft model."""

    def __init__(self, model: Any) -> None:
        self._adalora: AdaLoraModel = model.base_model
        self._config: Any = model.peft_config[model.active_adapter]

    @classmethod
    def of(cls, model: Any) -> MovingRanks | None:
        """Those of `model`, if it has any."""
        return cls(model) if isinstance(getattr(model, "base_model", None), AdaLoraModel) else None

    def plan(self, total_steps: int) -> None:
        """Spread the pruning over the run: a tenth before it, three tenths after it, as the paper's runs about do.

        Raises `WorkbenchError` for a run too short to prune anything.
        """
        if total_steps < FEWEST_STEPS:
            raise WorkbenchError.of([too_few_steps(total_steps)])
        # A module that lost all its ranks is no fault, whatever peft suspects when it saves one.
        warnings.filterwarnings("ignore", message=r".*LoRA tensor\(s\) have invalid shape")
        self._config.total_step = total_steps
        self._config.tinit = total_steps // 10
        self._config.tfinal = 3 * total_steps // 10
        self._config.deltaT = max(1, total_steps // 100)

    def step(self, number: int) -> None:
        """After optimizer step `number`, counted from 1, and before its gradients are dropped."""
        self._adalora.update_and_allocate(number)  # type: ignore[no-untyped-call]

    def left(self) -> dict[str, int]:
        """The ranks that each module has left; nothing before the first were taken."""
        pattern: dict[str, list[bool]] = self._config.rank_pattern or {}
        return {name.partition(".lora_E")[0].removeprefix("model."): sum(mask) for name, mask in pattern.items()}

    def regulariser(self) -> Tensor:
        """The mean distance of P·Pᵀ and Qᵀ·Q from the identity, times its weight."""
        distances = [_distance(matrix) for matrix in self._matrices()]
        mean: Tensor = torch.stack(distances).mean() * self._config.orth_reg_weight
        return mean

    def _matrices(self) -> Iterator[Tensor]:
        for name, weight in self._adalora.named_parameters():
            if "lora_A." in name:
                yield weight
            elif "lora_B." in name:
                yield weight.T

    def save(self, folder: Path) -> None:
        """Keep matrices at their full rank, importances and the last mask."""
        state = {name: weight.detach() for name, weight in self._own()}
        for kind in _IMPORTANCE:
            kept: dict[str, Tensor] = getattr(self._adalora.rankallocator, kind)
            state |= {f"{kind}:{name}": value for name, value in kept.items()}
        pattern = self._config.rank_pattern or {}
        state |= {f"pattern:{name}": torch.tensor(mask) for name, mask in pattern.items()}
        save_file({name: value.contiguous().clone() for name, value in state.items()}, folder / FILE)

    def restore(self, folder: Path) -> None:
        """Take up what `save` kept."""
        state = load_file(folder / FILE)
        with torch.no_grad():
            for name, weight in self._own():
                weight.copy_(state[name])
        for kind in _IMPORTANCE:
            setattr(self._adalora.rankallocator, kind, _named(state, kind))
        pattern = {name: mask.tolist() for name, mask in _named(state, "pattern").items()}
        self._config.rank_pattern = pattern or None

    def _own(self) -> Iterator[tuple[str, Tensor]]:
        for name, weight in self._adalora.named_parameters():
            if any(part in name for part in _PARTS):
                yield name, weight


def _distance(rows: Tensor) -> Tensor:
    product = rows @ rows.T
    distance: Tensor = torch.linalg.matrix_norm(
        product - torch.eye(len(product), dtype=product.dtype, device=product.device)
    )
    return distance


def _named(state: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{kind}:"): value for name, value in state.items() if name.startswith(f"{kind}:")}
