"""A run that continues another: it starts from what that one has learnt, under settings of its own.

Only the adapter's weights are taken over. Optimiser, schedule, data order and random states begin anew, as a changed
learning rate or another dataset must have them; who wants to go on exactly where a run stood resumes that run.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.runs.folder import RunFolder, is_id


def learnt_by(folder: RunFolder) -> Path | None:
    """Where the adapter lies that the run in `folder` continues; None when it begins from nothing.

    Raises `WorkbenchError` when that run is gone or never saved anything that is whole.
    """
    if folder.continues is None:
        return None
    run_id, _, checkpoint = folder.continues.partition("/")
    earlier = RunFolder(folder.path.with_name(run_id)) if is_id(run_id) else None
    if earlier is None or not earlier.path.is_dir():
        raise WorkbenchError(
            f"The run {run_id}, which this one continues, is gone.", remedy="Start a run that continues none."
        )
    found = _checkpoint(earlier, checkpoint) if checkpoint else _newest(earlier)
    if found is None:
        raise WorkbenchError(
            f"The run {run_id}, which this one continues, has saved nothing that is whole to go on from.",
            remedy="Choose another of its checkpoints, or start a run that continues none.",
        )
    return found


def _newest(earlier: RunFolder) -> Path | None:
    return earlier.adapter if earlier.adapter.is_dir() else earlier.newest_checkpoint()


def _checkpoint(earlier: RunFolder, name: str) -> Path | None:
    whole = {saved.name for saved in earlier.checkpoints(verify=True)}
    return earlier.checkpoints_dir / name if name in whole else None
