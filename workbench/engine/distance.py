"""How far two next-token distributions stand apart, in numbers and in tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.protocol.chat import Distance, TokenShare

SHOWN = 5


def distance(adapter: Tensor, base: Tensor, tokenizer: Any) -> Distance:
    """From the log-probabilities (vocabulary,) of both after the same prompt."""
    divergence = torch.nn.functional.kl_div(base.double(), adapter.double(), reduction="sum", log_target=True)
    return Distance(
        kl=max(0.0, float(divergence)), top=likeliest(adapter, tokenizer), top_base=likeliest(base, tokenizer)
    )


def likeliest(logprobs: Tensor, tokenizer: Any) -> tuple[TokenShare, ...]:
    """The likeliest next tokens with their probabilities."""
    best = logprobs.topk(min(SHOWN, logprobs.numel()))
    return tuple(
        TokenShare(token=tokenizer.decode([token]), probability=value)
        for token, value in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
    )
