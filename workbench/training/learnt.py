"""What a run learns, on its way to disk and back, whatever the method: the one thing its saving depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from workbench.errors import WorkbenchError


class Learnt(Protocol):
    """What training changes in a model."""

    def save(self, folder: Path) -> None:
        """Write it into `folder` so that it is right on the untouched base model."""

    def restore(self, folder: Path) -> None:
        """Take up exactly what `save` wrote for this very run."""

    def take_over(self, folder: Path) -> None:
        """Take up what another run has saved; raises `WorkbenchError` when it does not fit these settings."""


def misfit() -> WorkbenchError:
    """What another run has learnt is of another shape."""
    return WorkbenchError(
        "The adapter of the run that this one continues does not fit these settings.",
        remedy="Keep base model, method, rank and target modules as they were there.",
    )
