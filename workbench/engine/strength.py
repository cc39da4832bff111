"""Any strength for adapters that peft puts into the model: each module's output, on the line from base to adapted.

At strength s a module gives ``own + s · (adapted − own)``. For every method that is linear in what it learnt, which
LoRA and its kin, LoHa, LoKr, VeRA and IA3 are, that is the learnt update times s; for rotations (OFT) it is the
weights' linear interpolation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn


def set_strength(injected: nn.Module, strength: float) -> bool:
    """Let the adapter inside `injected` act at `strength`; False where it works around the model's modules."""
    adapted = [module for module in injected.modules() if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)]
    if strength != 1.0:
        for module in adapted:
            module.register_forward_hook(_Between(strength), with_kwargs=True)
    return bool(adapted) or strength == 1.0


@dataclass(frozen=True)
class _Between:
    strength: float

    def __call__(self, module: Any, given: tuple[Any, ...], options: Mapping[str, Any], output: Tensor) -> Tensor:
        if module.disable_adapters:
            return output
        layer = module.original_module if isinstance(module, AuxiliaryTrainingWrapper) else module.get_base_layer()
        own: Tensor = layer(*given, **options)
        return own.lerp(output, self.strength)
