"""How much of the disk the workbench takes, by what lies there, and what of it could go. Reads, never deletes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.home import Home
from workbench.records import Record
from workbench.records.runs import Run
from workbench.runs.retention import dispensable

PLACES = ("runs", "datasets", "models", "blueprints", "batches", "votes", "uploads", "logs")


class DiskUsage(Record):
    """Bytes under the workbench home, and on the disk it lies on."""

    path: str
    total: int
    free: int
    places: dict[str, int]
    """Bytes by what lies there: runs, datasets, models, …, other."""
    runs: dict[str, int]
    """Bytes by run id."""
    models: dict[str, int]
    """Bytes by the folder of a converted base model."""
    datasets: dict[str, int]
    """Bytes by the id of a dataset."""
    dispensable: dict[str, int]
    """Bytes by the id of a run that is over: its checkpoints but the newest and the best."""

    @property
    def used(self) -> int:
        """All bytes under the home."""
        return sum(self.places.values())


def disk_usage(home: Home, known: Iterable[Run] = ()) -> DiskUsage:
    """What takes how much at this moment, and what the `known` runs could do without; reads every name there is."""
    runs, models, datasets = (_folders(place) for place in (home.runs, home.models, home.datasets))
    places = {name: folder_bytes(home.path / name) for name in PLACES if name != "runs"}
    others = (path for path in home.path.iterdir() if path.name not in PLACES)
    disk = shutil.disk_usage(home.path)
    return DiskUsage(
        path=str(home.path),
        total=disk.total,
        free=disk.free,
        places={"runs": sum(runs.values()), **places, "other": sum(map(folder_bytes, others))},
        runs=runs,
        models=models,
        datasets=datasets,
        dispensable={run.id: freed for run in known if run.status.over and (freed := _dispensable(run))},
    )


def _folders(place: Path) -> dict[str, int]:
    return {path.name: folder_bytes(path) for path in place.iterdir() if path.is_dir()}


def _dispensable(run: Run) -> int:
    return sum(checkpoint.bytes for checkpoint in dispensable(run.checkpoints))


def folder_bytes(path: Path) -> int:
    """What the files in a folder, or one file, take; a file that goes meanwhile counts nothing."""
    return sum(_file_bytes(path))


def _file_bytes(path: Path) -> Iterator[int]:
    try:
        if not path.is_dir() or path.is_symlink():
            yield path.lstat().st_size
            return
        with os.scandir(path) as entries:
            for entry in entries:
                yield from _file_bytes(Path(entry.path))
    except (FileNotFoundError, PermissionError):
        return
