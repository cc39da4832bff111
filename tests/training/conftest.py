"""What tests of training watch while a run goes on in their own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loading import logits_of

from workbench.training import adapter, worker
from workbench.training.trainer import RunTrainer


@pytest.fixture
def last_logits(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What each run's model says when its training has ended, before anything of it is written."""
    found: list[torch.Tensor] = []
    subjects: list[Any] = []
    learn = RunTrainer.learn

    def watched_learn(self: RunTrainer, checkpoint: Path | None, done: int) -> None:
        subjects.append(self.subject)
        learn(self, checkpoint, done)

    def watched_write(*saved: Any) -> None:
        model = subjects[-1]
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        plain.set_attn_implementation("sdpa")  # the run's own needs to be told where rows end
        found.append(logits_of(model))
        adapter.write_adapter(*saved)

    monkeypatch.setattr(RunTrainer, "learn", watched_learn)
    monkeypatch.setattr(worker, "write_adapter", watched_write)
    return found
