"""A base model's own modules and parameters, as they were when it was loaded.

While an adapter is switched into the model other modules or tensors stand in their places. What is read, checked or
hooked meanwhile is meant for the base model, and is looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Own:
    """What belongs to the base model itself."""

    modules: Mapping[str, nn.Module]
    parameters: Mapping[str, Tensor]
    """By every name that they have, tied ones by each of theirs."""
    config: Any
    """transformers' config of its language model."""

    @classmethod
    def of(cls, model: nn.Module) -> Own:
        """Those of `model`, into which nothing is switched."""
        config: Any = getattr(model, "config", None)
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        return cls(dict(model.named_modules()), dict(model.named_parameters(remove_duplicate=False)), text)

    @property
    def example(self) -> Tensor:
        """A parameter, for its device and number format."""
        return next(iter(self.parameters.values()))

    @property
    def device(self) -> torch.device:
        return self.example.device
