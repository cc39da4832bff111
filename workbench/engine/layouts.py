"""Whatever a run has left in its adapter folder, read the way that its layout wants."""

from __future__ import annotations

from pathlib import Path

from workbench.adapter_folder import is_changed, is_pair
from workbench.engine.adapters import Adapter, read_adapter
from workbench.engine.changed import read_changed
from workbench.engine.own import Own
from workbench.engine.prefixes import is_prefix, is_prompt, read_pair, read_prefix_adapter, read_prompt_adapter


def read_learnt(name: str, folder: Path, own: Own) -> Adapter:
    """The adapter in `folder`; raises `WorkbenchError` when it cannot be run, or belongs to another base model."""
    if is_changed(folder):
        return read_changed(name, folder, own)
    if is_pair(folder):
        return read_pair(name, folder, own)
    if is_prefix(folder):
        return read_prefix_adapter(name, folder, own)
    if is_prompt(folder):
        return read_prompt_adapter(name, folder, own)
    return read_adapter(name, folder, own)
