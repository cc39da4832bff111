"""What can be taken away from a run: its adapter as a zip, its metrics as CSV. Streamed, never whole in memory."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.records.runs import EvaluationColumns, MetricsDelta, StepColumns
from workbench.runs import manifest
from workbench.runs.folder import RunFolder

_CHUNK = 1 << 20


def adapter_zip(folder: RunFolder, checkpoint: str | None = None) -> Iterator[bytes]:
    """The finished adapter, or that of a checkpoint, with the run's config, as the bytes of a zip file.

    Raises `WorkbenchError` at once, not at the first byte, when there is none.
    """
    source = folder.adapter if checkpoint is None else _checkpoint(folder, checkpoint)
    if not source.is_dir():
        raise WorkbenchError(
            "This run has no finished adapter.", remedy="Let it finish, stop it and save, or take a checkpoint."
        )
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and _is_adapter(path)]
    return _zip([*((path, path.relative_to(source).as_posix()) for path in files), (folder.config_file, "run.yaml")])


def _checkpoint(folder: RunFolder, name: str) -> Path:
    known = {saved.name for saved in folder.checkpoints()}
    if name not in known:
        raise WorkbenchError(f"There is no checkpoint “{name}”.", remedy="Choose one of the list.")
    return folder.checkpoints_dir / name


def _is_adapter(path: Path) -> bool:
    """Not the optimiser, the random states and the like, which only a resume needs."""
    return path.name != manifest.NAME and path.suffix not in (".pt", ".pth", ".bin")


class _Pipe(io.RawIOBase):
    """Takes what a zip writer writes and hands it on; cannot be sought in, so the writer streams."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, chunk: object) -> int:
        taken = bytes(chunk)  # type: ignore[call-overload]
        self._chunks.append(taken)
        return len(taken)

    def drain(self) -> bytes:
        whole = b"".join(self._chunks)
        self._chunks.clear()
        return whole


def _zip(files: list[tuple[Path, str]]) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
        for path, name in files:
            with path.open("rb") as source, archive.open(zipfile.ZipInfo.from_file(path, name), "w") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield pipe.drain()
    yield pipe.drain()


def metrics_csv(metrics: MetricsDelta) -> Iterator[str]:
    """A line a logged step, with the eval loss in the line of the step it was measured at."""
    evaluated = dict(zip(metrics.evaluations.step, metrics.evaluations.loss, strict=True))
    names = [name for name in StepColumns.model_fields if name != "seq"]
    yield _csv_line([*names, "eval_loss"])
    columns = [getattr(metrics.steps, name) for name in names]
    for values in zip(*columns, strict=True):
        step = values[names.index("step")]
        yield _csv_line([*values, evaluated.pop(step, None)])
    yield from _alone(names, metrics.evaluations, evaluated)


def _alone(names: list[str], evaluations: EvaluationColumns, left: dict[int, float | None]) -> Iterator[str]:
    """Evaluations at a step that was not logged, such as one before training."""
    for time, step, loss in zip(evaluations.time, evaluations.step, evaluations.loss, strict=True):
        if step in left:
            known = {"time": time, "step": step}
            yield _csv_line([*(known.get(name) for name in names), loss])


def _csv_line(values: list[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if value is None else value for value in values])
    return line.getvalue()
