"""A base model's files on this machine, ready to load. Only the worker and the engine fetch."""

from __future__ import annotations

from pathlib import Path

from workbench.home import Home
from workbench.models.source import Progress, open_source, silent


def local_folder(reference: str, home: Home, progress: Progress = silent) -> Path:
    """The folder of config, tokenizer and safetensors files of the model that `reference` names.

    Downloads or converts what is not there yet, and tells `progress` what it does. Raises `WorkbenchError` beside
    ``base_model`` when the model cannot be had or is not safe to load.
    """
    return open_source(reference, home).local_folder(progress)


def revision(reference: str, home: Home) -> str:
    """What tells this state of the model from another: the hub's commit, or a hash of its content."""
    return open_source(reference, home).revision()
