"""Model ids of the chat endpoint: ``base``, ``RUN``, ``RUN@0.5`` (half strength), ``RUN/checkpoint-200``.

A model id names a run, or an adapter that was added to the playground, by its id, never a path, so that nothing
outside the home can be reached through it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.adapter_folder import holds_adapter
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.added import adapter_folder, read_added

BASE = "base"
MAX_STRENGTH = 2.0
_FORM = re.compile(r"(?P<run>[0-9a-z][0-9a-z-]*)(?:/(?P<checkpoint>checkpoint-\d+))?(?:@(?P<strength>\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class ModelId:
    """One model id, taken apart."""

    run: str
    checkpoint: str | None = None
    strength: float = 1.0
    """Factor on the adapter's scaling, 0 to 2."""

    @classmethod
    def parse(cls, text: str) -> ModelId | None:
        """The parts of `text`; None for ``base``. Raises `WorkbenchError` when it has another form."""
        if text == BASE:
            return None
        match = _FORM.fullmatch(text)
        if match is None:
            raise WorkbenchError(
                f"“{text}” is not a model id.", remedy="Use base, RUN, RUN@0.5 or RUN/checkpoint-200.", field="model"
            )
        strength = float(match["strength"]) if match["strength"] else 1.0
        if strength > MAX_STRENGTH:
            raise WorkbenchError(
                f"A strength of {strength:g} is too much.", remedy="Use a strength from 0 to 2.", field="model"
            )
        return cls(match["run"], match["checkpoint"], strength)

    @property
    def name(self) -> str:
        """Without the strength: what names the adapter."""
        return f"{self.run}/{self.checkpoint}" if self.checkpoint else self.run

    def __str__(self) -> str:
        return self.name if self.strength == 1.0 else f"{self.name}@{self.strength:g}"

    def folder(self, home: Home) -> Path:
        """The folder that holds the adapter's files; raises `WorkbenchError` when there is none."""
        run = home.runs / self.run
        if not run.is_dir() and self.checkpoint is None and read_added(home, self.run) is not None:
            return adapter_folder(home, self.run)
        if not run.is_dir():
            raise WorkbenchError(
                f"There is no run “{self.run}”, nor an added adapter of that id.",
                remedy="It may have been deleted: pick another.",
                field="model",
            )
        if self.checkpoint is None:
            folder = run / "adapter"
            missing = f"The run “{self.run}” has no finished adapter."
        else:
            folder = run / "checkpoints" / self.checkpoint
            folder = folder / "adapter" if (folder / "adapter").is_dir() else folder
            missing = f"The run “{self.run}” has no {self.checkpoint}."
        if not holds_adapter(folder):
            raise WorkbenchError(missing, remedy="Wait until it is saved, or pick another one.", field="model")
        return folder
