"""Every method that runs can use does train, and the worker trains exactly what was counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open
from training_runs import carry_out

from workbench.config import METHODS, RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.events import Finished, Started, StepLogged
from workbench.home import Home
from workbench.runs.folder import RunFolder

USABLE = tuple(method.model_fields["kind"].default for method in METHODS if not method.untrained)
STEPS = 10
SMALL = {"rank": 4, "block_size": 8}


@pytest.mark.parametrize("kind", USABLE)
def test_a_method_trains_what_is_counted_and_learns(
    kind: str, home: Home, tiny_model_folder: Path, tiny_dataset_file: Path
) -> None:
    fields = METHODS.get(kind).model_fields
    config = RunConfig.parse(
        {
            "base_model": f"folder:{tiny_model_folder}",
            "data": {"dataset": str(tiny_dataset_file), "validation_share": 0.0, "max_length": 64},
            "method": {"kind": kind, **{name: value for name, value in SMALL.items() if name in fields}},
            "training": {
                "max_steps": STEPS,
                "learning_rate": 0.02,
                "batch_size": 8,
                "schedule": "constant",
                "threads": 1,
            },
        }
    )
    folder = RunFolder.create(home, config)
    events = carry_out(folder)
    assert isinstance(events[-1], Finished)
    counted = config.method.count(read_blueprint(tiny_model_folder))
    started = next(event for event in events if isinstance(event, Started))
    assert (started.trainable, started.base_parameters) == (counted.trainable, counted.base)
    losses = [event.loss for event in events if isinstance(event, StepLogged) and event.loss is not None]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    with safe_open(folder.adapter / "adapter_model.safetensors", "pt") as saved:
        numbers = sum(saved.get_tensor(name).numel() for name in saved.keys())  # noqa: SIM118
    assert numbers >= counted.trainable or (counted.bound is not None and numbers <= counted.bound)
