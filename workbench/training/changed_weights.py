"""Methods that train the base model's own tensors: which those are, and how they are kept, apart from all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.adapter_folder import CHANGED_CONFIG, CHANGED_WEIGHTS, ChangedFacts
from workbench.methods.in_place import InPlace
from workbench.training.learnt import misfit


class ChangedWeights:
    """The trained tensors of `model`, by name and in single precision; a weight that is shared counts once."""

    def __init__(self, model: Any, method: InPlace) -> None:
        self._model = model
        self._method = method.kind
        names = [name for name, _ in model.named_parameters()]
        trained = method.trained(names)
        self._weights: dict[str, Tensor] = {}
        for name, weight in model.named_parameters():
            weight.requires_grad_(name in trained)
            if name in trained:
                weight.data = weight.data.float()  # half a precision rounds small steps away
                self._weights[name] = weight

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: weight.detach().contiguous() for name, weight in self._weights.items()},
            folder / CHANGED_WEIGHTS,
            metadata={"format": "pt"},
        )
        facts = ChangedFacts(
            base_model=self._model.name_or_path,
            method=self._method,
            tensors=len(self._weights),
            parameters=sum(weight.numel() for weight in self._weights.values()),
        )
        (folder / CHANGED_CONFIG).write_text(facts.model_dump_json(indent=2), encoding="utf-8")

    def restore(self, folder: Path) -> None:
        found = load_file(folder / CHANGED_WEIGHTS)
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(found[name])

    def take_over(self, folder: Path) -> None:
        try:
            found = load_file(folder / CHANGED_WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise misfit() from error
        shapes = {name: weight.shape for name, weight in self._weights.items()}
        if {name: weight.shape for name, weight in found.items()} != shapes:
            raise misfit()
        self.restore(folder)
