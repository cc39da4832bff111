"""Where everything lies on disk, and which process owns it."""

from __future__ import annotations

import os
from pathlib import Path


class Home:
    """The workbench's folder: runs, datasets, models, caches. Names paths; creates folders when asked for them."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    @classmethod
    def locate(cls, option: Path | None = None) -> Home:
        """The folder of `option`, else of ``WORKBENCH_HOME``, else ``~/.local/share/lora-workbench``."""
        if option is not None:
            return cls(option)
        named = os.environ.get("WORKBENCH_HOME")
        if named:
            return cls(Path(named))
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        return cls(data / "lora-workbench")

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self._folder("runs")

    @property
    def range_tests(self) -> Path:
        """One folder a learning-rate range test, laid out as a run's."""
        return self._folder("range-tests")

    @property
    def datasets(self) -> Path:
        """One folder a dataset, named by its id."""
        return self._folder("datasets")

    @property
    def models(self) -> Path:
        """Base models turned into safetensors, one folder each."""
        return self._folder("models")

    @property
    def blueprints(self) -> Path:
        """One JSON file a blueprint, named by config hash."""
        return self._folder("blueprints")

    @property
    def configs(self) -> Path:
        """Configs of base models without weights, one folder each."""
        return self._folder("configs")

    @property
    def adapters(self) -> Path:
        """Adapters and other speakers that were added to the playground, one folder each, named by its id."""
        return self._folder("adapters")

    @property
    def uploads(self) -> Path:
        """Files on their way in; swept at the start of a server."""
        return self._folder("uploads")

    @property
    def votes(self) -> Path:
        """Verdicts of blind comparisons."""
        return self._folder("votes")

    @property
    def batches(self) -> Path:
        """One folder a batch of prompts."""
        return self._folder("batches")

    @property
    def conversations(self) -> Path:
        """Saved conversations of the playground, one JSON file each."""
        return self._folder("conversations")

    @property
    def prompt_sets(self) -> Path:
        """Saved prompt sets, one JSON file each."""
        return self._folder("prompt_sets")

    @property
    def logs(self) -> Path:
        """The engine's and the server's own logs."""
        return self._folder("logs")

    @property
    def index(self) -> Path:
        """The SQLite cache of the run folders."""
        return self._folder("") / "index.sqlite"

    @property
    def queue(self) -> Path:
        """The order of the queued runs: run ids, one a line."""
        return self._folder("") / "queue.txt"

    @property
    def lock(self) -> Path:
        """Held by the one process that owns this home."""
        return self._folder("") / "owner.lock"

    @property
    def server(self) -> Path:
        """Names the owner: pid, and the server's address when it serves."""
        return self._folder("") / "server.json"
