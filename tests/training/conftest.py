"""Runs on the tiny model, carried out in this process: importing torch once is enough."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging

from training_runs import MakeRun
from workbench.config import RunConfig
from workbench.home import Home
from workbench.runs.folder import RunFolder

logging.disable_progress_bar()

TRAINING: dict[str, Any] = {
    "batch_size": 3,
    "gradient_accumulation_steps": 2,
    "max_steps": 10,
    "learning_rate": 1e-2,
    "warmup_steps": 2,
    "save_every": 4,
    "evaluate_every": 5,
    "precision": "fp32",
    "threads": 1,
}


@pytest.fixture
def make_run(home: Home, tiny_model_folder: Path, tiny_dataset_file: Path) -> MakeRun:
    """Makes queued runs: ``make_run(max_steps=4, method={"rank": 2}, data={…})``."""

    def make(method: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **training: Any) -> RunFolder:
        config = RunConfig.parse(
            {
                "base_model": f"folder:{tiny_model_folder}",
                "method": {"kind": "lora", "rank": 4, "dropout": 0.1} | (method or {}),
                "data": {"dataset": str(tiny_dataset_file), "validation_share": 0.2, "max_length": 64} | (data or {}),
                "training": TRAINING | training,
            }
        )
        return RunFolder.create(home, config)

    return make


@pytest.fixture(autouse=True)
def _same_directory(tmp_path: Path) -> Iterator[None]:
    with contextlib.chdir(tmp_path):
        yield
