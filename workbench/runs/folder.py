"""A run's folder: what lies where in it, and how each file is read. Shared by worker and server.

Each file has one writer. The server creates ``config.yaml`` and ``log.txt`` and writes ``labels.yaml``,
``supervisor.jsonl`` and ``stop``; the worker writes the rest. Nothing here decides what a run's state means.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Event, Heartbeat
from workbench.home import Home
from workbench.records.runs import Checkpoint
from workbench.runs import history, labels, manifest
from workbench.runs.durable import sync_folder
from workbench.runs.events_log import read_events

_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_TAIL_BYTES = (8 * 2**10, 512 * 2**10)
"""Read of a log at first, and at most."""


class RunFolder:
    """One run on disk; `path` may be anywhere, its last part is the run's id."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.id = self.path.name

    @classmethod
    def create(
        cls, home: Home, config: RunConfig, *, continues: str | None = None, run_id: str | None = None
    ) -> RunFolder:
        """A new folder for a run of `config`, queued. It appears under its name only when it is complete."""
        identity = run_id or new_id()
        if not is_id(identity):
            raise WorkbenchError(f"“{identity}” cannot be the id of a run.", remedy="Use a-z, 0-9 and hyphens.")
        target = home.runs / identity
        building = cls(home.runs / f".new-{identity}")
        building.path.mkdir()
        try:
            config_file.save(config, building.config_file)
            labels.save(labels.Labels(name=config.name), building.labels_file)
            history.append(building.history_file, history.Queued(time=time.time(), continues=continues))
            for inner in (building.events_dir, building.checkpoints_dir):
                inner.mkdir()
            if target.exists():
                raise WorkbenchError(f"There is already a run {identity}.", remedy="Choose another id.")
            building.path.rename(target)
        except BaseException:
            shutil.rmtree(building.path, ignore_errors=True)
            raise
        sync_folder(home.runs)
        return cls(target)

    # --- where what lies ---

    @property
    def config_file(self) -> Path:
        """What was asked."""
        return self.path / "config.yaml"

    @property
    def labels_file(self) -> Path:
        """Name, note, tags, pin, archived."""
        return self.path / "labels.yaml"

    @property
    def history_file(self) -> Path:
        """What the supervisor did, and why."""
        return self.path / "supervisor.jsonl"

    @property
    def events_dir(self) -> Path:
        """The shards of events."""
        return self.path / "events"

    @property
    def heartbeat_file(self) -> Path:
        """The worker's sign of life."""
        return self.path / "heartbeat.json"

    @property
    def stop_file(self) -> Path:
        """Its presence asks the worker to save and stop."""
        return self.path / "stop"

    @property
    def checkpoints_dir(self) -> Path:
        """One folder a checkpoint."""
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The finished adapter, loadable by plain peft."""
        return self.path / "adapter"

    @property
    def log(self) -> Path:
        """The worker's stdout and stderr."""
        return self.path / "log.txt"

    @property
    def environment(self) -> Path:
        """Versions, device, seed, dataset fingerprint, base model revision."""
        return self.path / "environment.json"

    @property
    def lock(self) -> Path:
        """Held by the run's worker."""
        return self.path / "worker.lock"

    # --- what it says ---

    @cached_property
    def config(self) -> RunConfig:
        """What was asked; it never changes."""
        return config_file.load(self.config_file)

    @property
    def labels(self) -> labels.Labels:
        """What the user says about it."""
        return labels.load(self.labels_file)

    @property
    def history(self) -> tuple[history.Entry, ...]:
        """What the server did with it."""
        return history.read(self.history_file)

    @property
    def continues(self) -> str | None:
        """The id of the run that this one continues."""
        return next((entry.continues for entry in self.history if isinstance(entry, history.Queued)), None)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Every whole event beyond `after`, in the order written; a line cut by a crash is passed over."""
        return read_events(self.events_dir, after)

    def heartbeat(self) -> Heartbeat | None:
        """The worker's last sign of life."""
        try:
            return Heartbeat.model_validate_json(self.heartbeat_file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def log_tail(self, lines: int = 40) -> str:
        """The last `lines` lines of the log; progress bars' carriage returns leave what they ended with."""
        try:
            with self.log.open("rb") as file:
                text = _tail(file, lines).decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        shown = [line.rstrip().rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")]
        return "\n".join(shown[-lines:])

    # --- stopping ---

    def request_stop(self) -> None:
        """Ask the worker to save and stop."""
        self.stop_file.touch()

    def clear_stop(self) -> None:
        """Take the request back."""
        self.stop_file.unlink(missing_ok=True)

    def stop_requested(self) -> bool:
        """Whether the worker is asked to save and stop."""
        return self.stop_file.exists()

    # --- checkpoints ---

    def checkpoints(self, verify: bool = False) -> list[Checkpoint]:
        """The checkpoints that were finished, oldest first; with `verify` only those whose every hash holds."""
        found = []
        for step, path in self._checkpoint_folders():
            written = manifest.read(path)
            if written is not None and (not verify or manifest.verify(path)):
                found.append(Checkpoint(name=path.name, step=step, bytes=written.bytes))
        return found

    def newest_checkpoint(self) -> Path | None:
        """The newest checkpoint whose every hash holds; older ones are tried when it was damaged."""
        whole = (path for _, path in reversed(self._checkpoint_folders()) if manifest.verify(path))
        return next(whole, None)

    def sweep_checkpoints(self) -> list[str]:
        """Remove the checkpoints that were never finished, and name them. Only the run's worker may call it."""
        swept = []
        for path in self.checkpoints_dir.iterdir() if self.checkpoints_dir.is_dir() else ():
            if manifest.read(path) is None:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                swept.append(path.name)
        return swept

    def remove_checkpoint(self, name: str) -> None:
        """Remove one checkpoint; raises `WorkbenchError` when there is none of that name. Not under a worker."""
        path = next((path for _, path in self._checkpoint_folders() if path.name == name), None)
        if path is None:
            raise WorkbenchError(f"There is no checkpoint “{name}”.", remedy="Choose one of the list.")
        (path / manifest.NAME).unlink(missing_ok=True)  # first: what is half removed must not count
        shutil.rmtree(path)

    def _checkpoint_folders(self) -> list[tuple[int, Path]]:
        matches = ((_CHECKPOINT.fullmatch(path.name), path) for path in self.checkpoints_dir.glob("checkpoint-*"))
        return sorted((int(match[1]), path) for match, path in matches if match)


def _tail(file: BinaryIO, lines: int) -> bytes:
    """The end of `file` with at least so many lines, or as many as there are in what is worth reading."""
    size, taken = file.seek(0, 2), _TAIL_BYTES[0]
    while True:
        file.seek(max(0, size - taken))
        found = file.read(taken)
        if taken >= min(size, _TAIL_BYTES[1]) or found.count(b"\n") > lines:
            return found
        taken *= 4


def new_id() -> str:
    """An id that sorts by time: ``20260521-094512-3fa9``."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


def is_id(text: str) -> bool:
    """Whether `text` can be a run's id, and so is safe as the name of a folder."""
    return _ID.fullmatch(text) is not None


def run_folder(home: Home, run_id: str) -> RunFolder:
    """The folder of the run `run_id`; raises `WorkbenchError` when there is none."""
    path = home.runs / run_id if is_id(run_id) else None
    if path is None or not (path / "config.yaml").is_file():
        raise WorkbenchError(f"There is no run “{run_id}”.", remedy="Look it up in the list of runs.")
    return RunFolder(path)
