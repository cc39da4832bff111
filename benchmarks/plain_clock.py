"""What both controls of `train_throughput` measure of each step, by transformers' own callbacks."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Seconds, loss and tokens of each step; `trainer` says as `tokens` how many the step at hand has."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.trainer: Any = None
        self._began = 0.0
        self._seconds = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._seconds = time.perf_counter() - self._began

    def on_log(self, *_: Any, **told: Any) -> None:
        logs = told["logs"]
        if "loss" in logs and self.trainer:
            self.steps.append({"loss": logs["loss"], "tokens": self.trainer.tokens, "seconds": self._seconds})
