"""A run's checkpoints on disk: written whole or not at all, the newest and the best kept, damaged ones passed over.

A folder counts from the moment its manifest is written, which is last. What lies in it besides `progress.json` is the
trainer's business. Retention is ours and comes after the manifest: at no moment is the only good checkpoint gone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from workbench.events import CheckpointRemoved, CheckpointSaved
from workbench.records import Record
from workbench.records.runs import Checkpoint
from workbench.runs import manifest
from workbench.runs.durable import write_whole
from workbench.runs.folder import RunFolder
from workbench.training.report import Report

PROGRESS, RATED = "progress.json", "rated.json"
"""What a checkpoint was saved with, and what an evaluation made later says of it, which the manifest does not hold."""


class Progress(Record):
    """Where a run stood when it was saved, and what it may be continued with."""

    step: int
    tokens: int
    """Real tokens seen."""
    elapsed: float
    """Seconds of training."""
    eval_loss: float | None
    """Of these very weights, if they were evaluated."""
    best_eval_loss: float | None = None
    fruitless: int = 0
    """Evaluations in a row that brought no lower one."""
    passes: int = 1
    """In how many pieces each batch was computed."""
    owes_evaluation: bool = False
    """Whether an evaluation was due at this step, and the run stopped before its end."""
    fingerprint: str
    """Of everything that must be the same to go on: see `resume_fingerprint`."""


class Checkpoints:
    """The checkpoints of one run, as its worker handles them."""

    def __init__(self, folder: RunFolder, keep: int, report: Report) -> None:
        self._folder = folder
        self._keep = keep
        self._report = report

    @property
    def path(self) -> Path:
        """The folder they lie in."""
        return self._folder.checkpoints_dir

    def sweep(self) -> None:
        """Remove what a killed worker left half-written."""
        self._folder.sweep_checkpoints()

    def newest(self, until: int | None = None) -> Path | None:
        """The newest checkpoint, of those up to the step `until`, whose every file is as it was written.

        Damaged ones are warned of.
        """
        for checkpoint in self._newest_first():
            if until is not None and checkpoint.step > until:
                continue
            path = self.path / checkpoint.name
            if manifest.verify(path):
                return path
            self._report.warn(
                f"{checkpoint.name} was damaged after it was written: a file does not match its hash.",
                "The run goes on from the checkpoint before it.",
            )
        return None

    def write(self, progress: Progress, fill: Callable[[Path], None]) -> None:
        """Let `fill` put the state into a new folder, seal it, tell, and let older ones go.

        Raises what `fill` raises; the half-written folder is then removed, and the checkpoints before it stay.
        """
        path = self.path / f"checkpoint-{progress.step}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        try:
            fill(path)
            (path / PROGRESS).write_text(progress.model_dump_json(indent=1), encoding="utf-8")
            manifest.write_manifest(path)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        self._tell(path, progress)

    def rate(self, progress: Progress) -> None:
        """Write down what an evaluation made later says of the checkpoint of that step, which counts all the while."""
        path = self.path / f"checkpoint-{progress.step}"
        write_whole(path / RATED, progress.model_dump_json(indent=1), durable=True)
        self._tell(path, progress)

    def _tell(self, path: Path, progress: Progress) -> None:
        """Tell of the checkpoint as it is now, and let older ones go."""
        sealed = manifest.read(path)
        size = sealed.bytes if sealed else 0
        self._report.write(
            CheckpointSaved(step=progress.step, name=path.name, bytes=size, eval_loss=progress.eval_loss)
        )
        self._prune()

    def _prune(self) -> None:
        best = self._best()
        for checkpoint in self._newest_first()[self._keep :]:
            path = self.path / checkpoint.name
            if checkpoint.name == best:
                continue
            (path / manifest.NAME).unlink(missing_ok=True)  # first: a half-removed checkpoint must not count
            shutil.rmtree(path)
            self._report.write(CheckpointRemoved(name=checkpoint.name))

    def _best(self) -> str | None:
        """The name of the checkpoint with the lowest eval loss, if any was evaluated."""
        losses = {each.name: read_progress(self.path / each.name).eval_loss for each in self._newest_first()}
        rated = {name: loss for name, loss in losses.items() if loss is not None}
        return min(rated, key=rated.__getitem__, default=None)

    def _newest_first(self) -> list[Checkpoint]:
        return sorted(self._folder.checkpoints(), key=lambda checkpoint: -checkpoint.step)


def read_progress(path: Path) -> Progress:
    """The progress of a checkpoint that was verified."""
    rated = path / RATED
    return Progress.model_validate_json((rated if rated.is_file() else path / PROGRESS).read_bytes())
