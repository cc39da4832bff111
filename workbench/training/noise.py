"""NEFTune: uniform noise on the embeddings while the model learns (Jain et al. 2023, algorithm 1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.training.batches import Batch


class EmbeddingNoise:
    """Adds noise of size alpha / sqrt(L·H) to every embedding of a row of L tokens, H wide.

    L is the row's own length, whatever it stands beside. In evaluation nothing is added.
    """

    def __init__(self, model: Any, alpha: float) -> None:
        self._alpha = alpha
        self._lengths: Tensor | None = None
        self._model = model
        if alpha:
            model.get_input_embeddings().register_forward_hook(self._add)

    def of(self, batch: Batch) -> None:
        """The next forward pass reads this batch."""
        if self._alpha:
            self._lengths = row_lengths(batch)

    def _add(self, _module: Any, _inputs: Any, embedded: Tensor) -> Tensor:
        if not self._model.training or self._lengths is None:
            return embedded
        size = self._alpha / (self._lengths.to(embedded) * embedded.shape[-1]).sqrt()
        return embedded + torch.empty_like(embedded).uniform_(-1, 1) * size[..., None]


def row_lengths(batch: Batch) -> Tensor:
    """For each token of the batch, (1, T) or (rows, width), how long the row is that it belongs to."""
    if "segments" in batch:
        ends = torch.tensor(batch["segments"])
        lengths = ends.diff()
        return lengths.repeat_interleave(lengths)[None]
    mask: Tensor = batch["attention_mask"]
    return mask.sum(dim=1, keepdim=True).clamp_min(1).expand_as(mask)
