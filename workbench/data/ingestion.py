"""Reading a file into a dataset's folder: at once when it is small, in a process of its own when it is not.

A million rows keep Python busy for many seconds; the process that serves the pages must not be the one.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from pathlib import Path

from workbench.data.examination import Progress, Report
from workbench.data.folder import DatasetFolder, Recipe
from workbench.errors import WorkbenchError

LARGE = 32 * 1024 * 1024
"""Bytes from which on a file is read by a process of its own."""


def ingest(folder: DatasetFolder, recipe: Recipe, progress: Progress) -> Report:
    """Read ``original`` in `folder` into rows and problems. Raises `WorkbenchError` when the other process dies."""
    if folder.original.stat().st_size < LARGE:
        return folder.ingest(recipe, progress)
    folder.write_recipe(recipe)
    command = [sys.executable, "-m", "workbench.data", str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as reader:
        assert reader.stdout is not None
        said: deque[str] = deque(maxlen=8)
        try:
            for line in reader.stdout:
                said.append(line)
                if line.startswith("done "):
                    progress(float(line.removeprefix("done ")))
        except BaseException:
            reader.kill()
            raise
    if reader.returncode:
        raise WorkbenchError(
            f"The file was not read to its end: {said[-1].strip() if said else 'its reader was killed'}.",
            remedy="See whether memory and disk suffice, and add it again.",
            field="data.dataset",
        )
    return folder.report()


def main(path: str) -> None:
    """The process: read the file in the folder at `path`, telling how far it is."""
    folder = DatasetFolder(Path(path))
    report = folder.ingest(folder.recipe(), lambda done: print(f"done {done:.4f}", flush=True))
    folder.write_report(report)
