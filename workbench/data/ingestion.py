"""Reading a file into a dataset's folder, or editing one: at once when it is small, else in a process of its own.

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
MANY = 50_000
"""Rows from which on a dataset is edited by one."""


def ingest(folder: DatasetFolder, recipe: Recipe, progress: Progress) -> Report:
    """Read ``original`` in `folder` into rows and problems. Raises `WorkbenchError` when the other process dies."""
    if folder.original.stat().st_size < LARGE:
        return folder.ingest(recipe, progress)
    folder.write_recipe(recipe)
    _leave_to_a_process(progress, folder)
    return folder.report()


def rewrite(folder: DatasetFolder, recipe: Recipe, before: DatasetFolder, other: DatasetFolder | None) -> Report:
    """Write the rows of `before` after the last step of `recipe` into `folder`; `other` is joined.

    Raises `WorkbenchError` when the step makes no sense, or the other process dies.
    """
    step = recipe.steps[-1]
    rows = before.conversations()
    joined = other.conversations() if other else ()
    if len(rows) + len(joined) < MANY:
        return folder.rewrite(step, before, other)
    deque(step.apply(rows[:1], joined[:1]), maxlen=0)  # what is wrong with the step itself is said here
    folder.write_recipe(recipe)
    _leave_to_a_process(lambda done: None, folder, before, *((other,) if other else ()))
    return folder.report()


def _leave_to_a_process(progress: Progress, *folders: DatasetFolder) -> None:
    command = [sys.executable, "-m", "workbench.data", *(str(folder.path) for folder in folders)]
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


def main(path: str, before: str = "", other: str = "") -> None:
    """The process: read the file in the folder at `path`, telling how far it is, or write it anew from `before`."""
    folder = DatasetFolder(Path(path))
    recipe = folder.recipe()
    if before:
        joined = DatasetFolder(Path(other)) if other else None
        report = folder.rewrite(recipe.steps[-1], DatasetFolder(Path(before)), joined)
    else:
        report = folder.ingest(recipe, lambda done: print(f"done {done:.4f}", flush=True))
    folder.write_report(report)
