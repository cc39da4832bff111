"""What the memory estimate says to a run: whether to recompute activations, and what to change when memory ran out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.calculator.device import this_device
from workbench.calculator.memory import Footprint, training_memory
from workbench.calculator.verdict import cheapest_changes, estimate, setting_of
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models import Models
from workbench.records.base_models import Blueprint
from workbench.training.failures import TrainingFailure, is_memory


def recomputes(config: RunConfig, home: Home) -> bool:
    """Whether activations are recomputed: as asked for, or when the step would not fit into what is free now."""
    wish = config.training.recompute_activations
    if wish != "auto":
        return wish == "always"
    blueprint = _blueprint(config, home)
    return blueprint is not None and estimate(config, blueprint, this_device()).recomputes


@contextmanager
def remedies(config: RunConfig, home: Home) -> Iterator[None]:
    """Around training: memory that ran out ends it with the three cheapest changes that need a tenth less."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_memory(error):
            raise
        raise TrainingFailure("out-of-memory", "The machine ran out of memory.", _remedy(config, home)) from error


def _remedy(config: RunConfig, home: Home) -> str:
    blueprint = _blueprint(config, home)
    labels = _labels(config, blueprint) if blueprint else []
    if not labels:
        return "Lower the batch size, shorten the maximum length, or choose a smaller base model."
    return "What costs least: " + "; or ".join(labels) + ". Then resume or start again."


def _labels(config: RunConfig, blueprint: Blueprint) -> list[str]:
    setting = setting_of(config, blueprint, this_device())
    footprint = Footprint.of(blueprint, config.method)
    needed = training_memory(footprint, setting).total
    return [change.label for change in cheapest_changes(config, footprint, setting, free=needed)]


def _blueprint(config: RunConfig, home: Home) -> Blueprint | None:
    """The base model's shape, where it is known already."""
    try:
        return Models(home).blueprint(config.base_model)
    except WorkbenchError:
        return None
