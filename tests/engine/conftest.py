"""Adapters of the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_homes import save_random_adapter
from engine_rows import MakeAdapter


@pytest.fixture
def make_adapter(tiny_model_folder: Path) -> MakeAdapter:
    """Saves a random, effective adapter of the tiny model: `make_adapter(folder, seed=1, **lora_config)`."""
    return lambda folder, seed=1, **options: save_random_adapter(tiny_model_folder, folder, seed, **options)
