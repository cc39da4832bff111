"""How the next token is chosen from a row's logits.

The order of the warpers and their meaning are those of transformers' `generate`: repetition penalty, temperature,
top-k, top-p, min-p. Each row draws from its own generator, so that its seed gives the same answer whatever other rows
are in the batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.protocol.chat import SamplingFields


@dataclass(frozen=True)
class Sampler:
    """The settings of one row, and its own source of randomness."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    generator: torch.Generator

    @classmethod
    def of(cls, fields: SamplingFields) -> Sampler:
        """A sampler with these settings; without a seed it takes one from the system."""
        generator = torch.Generator()
        generator.manual_seed(secrets.randbits(63) if fields.seed is None else fields.seed)
        return cls(fields.temperature, fields.top_p, fields.top_k, fields.min_p, fields.repetition_penalty, generator)

    def choose(self, logits: Tensor, seen: Sequence[int]) -> int:
        """The next token from `logits` (vocabulary,) float32 on the CPU; `seen` are prompt and answer so far."""
        if self.repetition_penalty != 1.0:
            logits = penalise(logits, seen, self.repetition_penalty)
        if self.temperature == 0.0:
            return int(logits.argmax())
        probabilities = warp(logits / self.temperature, self.top_k, self.top_p, self.min_p)
        return int(torch.multinomial(probabilities, 1, generator=self.generator))


def penalise(logits: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    """Tokens already seen made less likely (Keskar et al. 2019, section 4.1)."""
    indices = torch.tensor(sorted(set(seen)), dtype=torch.long)
    scores = logits[indices]
    return logits.index_copy(0, indices, torch.where(scores < 0, scores * penalty, scores / penalty))


def warp(logits: Tensor, top_k: int, top_p: float, min_p: float) -> Tensor:
    """Probabilities with the unlikely tokens removed: all but `top_k`, then those outside the nucleus `top_p`
    (Holtzman et al. 2020, section 3.1), then those below `min_p` times the likeliest one's share (Nguyen et al. 2024).
    """
    if 0 < top_k < logits.numel():
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)
    if top_p < 1.0:
        ascending, order = logits.sort()
        outside = ascending.softmax(-1).cumsum(-1) <= 1 - top_p
        outside[-1] = False
        logits = logits.masked_fill(torch.zeros_like(outside).scatter(0, order, outside), -torch.inf)
    probabilities = logits.softmax(-1)
    if min_p > 0.0:
        probabilities = probabilities.masked_fill(probabilities < min_p * probabilities.max(), 0.0)
        probabilities = probabilities / probabilities.sum()
    return probabilities
