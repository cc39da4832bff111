"""A run that continues another starts from what that one has learnt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from training_runs import MakeRun, carry_out, losses

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.runs.changes import with_changes
from workbench.runs.folder import RunFolder
from workbench.training.continuation import learnt_by


@pytest.fixture
def earlier(make_run: MakeRun) -> RunFolder:
    run = make_run(max_steps=6, save_every=3, keep_checkpoints=3)
    carry_out(run)
    return run


def continued(earlier: RunFolder, **changes: object) -> RunFolder:
    settings = {f"training.{name}": value for name, value in changes.items()}
    home = Home(earlier.path.parent.parent)
    return RunFolder.create(
        home, with_changes(earlier.config, {"training.max_steps": 2} | settings), continues=earlier.id
    )


@pytest.mark.parametrize("left", ["adapter", "checkpoints"])
def test_it_goes_on_from_the_loss_that_was_reached(earlier: RunFolder, make_run: MakeRun, left: str) -> None:
    if left == "checkpoints":  # one that was interrupted has no finished adapter
        shutil.rmtree(earlier.adapter)
    run = continued(earlier, learning_rate=1e-3)
    carry_out(run)
    reached = losses(earlier)
    first = losses(run)[1]
    assert first is not None and reached[1] is not None and reached[6] is not None
    assert first < (reached[1] + reached[6]) / 2


def test_an_adapter_of_another_shape_is_refused(earlier: RunFolder) -> None:
    home = Home(earlier.path.parent.parent)
    run = RunFolder.create(home, with_changes(earlier.config, {"method.rank": 2}), continues=earlier.id)
    with pytest.raises(WorkbenchError, match="does not fit"):
        carry_out(run)


def test_a_run_that_is_gone_is_told(earlier: RunFolder) -> None:
    run = continued(earlier)
    shutil.rmtree(earlier.path)
    with pytest.raises(WorkbenchError, match="is gone"):
        carry_out(run)


def test_it_starts_from_the_checkpoint_it_names_and_from_no_other(earlier: RunFolder) -> None:
    home = Home(earlier.path.parent.parent)
    run = RunFolder.create(home, earlier.config, continues=f"{earlier.id}/checkpoint-3")
    assert learnt_by(run) == earlier.checkpoints_dir / "checkpoint-3"
    (earlier.checkpoints_dir / "checkpoint-3" / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WorkbenchError, match="saved nothing that is whole"):
        learnt_by(run)


def test_a_run_that_saved_nothing_is_told(earlier: RunFolder) -> None:
    run = continued(earlier)
    shutil.rmtree(earlier.adapter)
    for checkpoint in Path(earlier.checkpoints_dir).iterdir():
        (checkpoint / "manifest.json").unlink()
    with pytest.raises(WorkbenchError, match="saved nothing"):
        carry_out(run)
