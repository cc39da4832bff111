"""The run's folder, its manifest, lock and heartbeat."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Phase
from workbench.home import Home
from workbench.runs import history, manifest
from workbench.runs.folder import RunFolder, run_folder
from workbench.runs.lock import locked, run_lock
from workbench.runs.process import lives, mark_of, own_mark, same_boot
from workbench.runs.pulse import Pulse


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(Home(tmp_path), RunConfig(name="first"), run_id="one")


def checkpoint(folder: RunFolder, step: int, content: str = "weights") -> Path:
    path = folder.checkpoints_dir / f"checkpoint-{step}"
    (path / "inner").mkdir(parents=True)
    (path / "adapter.safetensors").write_text(content)
    (path / "inner" / "state.json").write_text("{}")
    manifest.write_manifest(path)
    return path


def test_a_new_run_says_what_was_asked(folder: RunFolder) -> None:
    assert folder.id == "one"
    assert RunFolder(folder.path).config == RunConfig(name="first")
    assert folder.labels.name == "first"
    assert [entry.type for entry in folder.history] == ["queued"]


def test_an_id_is_never_a_path(tmp_path: Path, folder: RunFolder) -> None:
    home = Home(tmp_path)
    for wicked in ("../one", "/etc", ".new-one", "", "a/b", "ONE"):
        with pytest.raises(WorkbenchError, match="no run"):
            run_folder(home, wicked)
        with pytest.raises(WorkbenchError, match="cannot be the id"):
            RunFolder.create(home, RunConfig(), run_id=wicked or ".")
    with pytest.raises(WorkbenchError, match="already a run"):
        RunFolder.create(home, RunConfig(), run_id="one")
    assert [path.name for path in home.runs.iterdir()] == ["one"]


def test_continues_is_remembered(tmp_path: Path, folder: RunFolder) -> None:
    second = RunFolder.create(Home(tmp_path), RunConfig(), continues="one")
    assert second.continues == "one"
    assert folder.continues is None


def test_stop_is_a_file_that_comes_and_goes(folder: RunFolder) -> None:
    assert not folder.stop_requested()
    folder.request_stop()
    folder.request_stop()
    assert folder.stop_requested()
    folder.clear_stop()
    assert not folder.stop_requested()


def test_log_tail_keeps_what_progress_bars_ended_with(folder: RunFolder) -> None:
    assert folder.log_tail() == ""
    folder.log.write_bytes(b"one\ntwo\r 50%\r100%\n\xff three\n")
    assert folder.log_tail(2) == "100%\n\ufffd three"


def test_a_checkpoint_counts_only_with_its_manifest(folder: RunFolder) -> None:
    checkpoint(folder, 10)
    half = folder.checkpoints_dir / "checkpoint-20"
    half.mkdir()
    (half / "adapter.safetensors").write_text("half")
    (folder.checkpoints_dir / "tmp-checkpoint-30").mkdir()
    assert [(saved.name, saved.step, saved.bytes) for saved in folder.checkpoints()] == [("checkpoint-10", 10, 9)]
    assert sorted(folder.sweep_checkpoints()) == ["checkpoint-20", "tmp-checkpoint-30"]
    assert [path.name for path in folder.checkpoints_dir.iterdir()] == ["checkpoint-10"]


def test_a_flipped_bit_falls_back_to_the_checkpoint_before(folder: RunFolder) -> None:
    checkpoint(folder, 9)
    newest = checkpoint(folder, 100)
    assert folder.newest_checkpoint() == newest
    weights = newest / "adapter.safetensors"
    flipped = bytearray(weights.read_bytes())
    flipped[3] ^= 1
    weights.write_bytes(flipped)
    assert [saved.step for saved in folder.checkpoints()] == [9, 100]
    assert [saved.step for saved in folder.checkpoints(verify=True)] == [9]
    newest_whole = folder.newest_checkpoint()
    assert newest_whole is not None
    assert newest_whole.name == "checkpoint-9"


def test_a_missing_file_breaks_the_manifest(folder: RunFolder) -> None:
    path = checkpoint(folder, 1)
    assert manifest.verify(path)
    (path / "inner" / "state.json").unlink()
    assert not manifest.verify(path)
    (path / "manifest.json").write_text("{")
    assert manifest.read(path) is None


def test_the_lock_is_held_by_one(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.runs.lock.PATIENCE", 0.05)
    assert not locked(folder)
    with run_lock(folder):
        assert locked(folder)
        with pytest.raises(WorkbenchError, match="Another worker"), run_lock(folder):
            pass
    assert not locked(folder)


def test_the_lock_dies_with_its_holder(folder: RunFolder) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from workbench.runs.folder import RunFolder; from workbench.runs.lock import run_lock\n"
        "with run_lock(RunFolder(Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, folder.path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locked(folder)
        holder.kill()
    assert not locked(folder)


def test_the_pulse_beats_until_it_is_left(folder: RunFolder) -> None:
    assert folder.heartbeat() is None
    with Pulse(folder, seconds=0.02) as pulse:
        pulse.phase, pulse.step = Phase.TRAINING, 7
        time.sleep(0.1)
        heart = folder.heartbeat()
    assert heart is not None
    assert (heart.phase, heart.step, heart.mark) == (Phase.TRAINING, 7, own_mark())
    last = folder.heartbeat()
    assert last is not None
    assert last.beat > heart.beat > 1


def test_a_mark_tells_one_process_from_another() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        mark = mark_of(child.pid)
        assert mark is not None
        assert mark != own_mark()
        assert lives(child.pid, mark)
        assert not lives(child.pid, own_mark())
        assert same_boot(mark)
        child.kill()
        deadline = time.monotonic() + 5
        while lives(child.pid, mark):  # a zombie until it is waited for, and a zombie does not live
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert mark_of(child.pid) is None
    assert not same_boot("another-boot:1")


def test_history_survives_a_line_that_was_cut(folder: RunFolder) -> None:
    with folder.history_file.open("ab") as file:
        file.write(b'{"type": "cancel')
    history.append(folder.history_file, history.StopAsked(time=2.0))
    assert [entry.type for entry in folder.history] == ["queued", "stop_asked"]


def test_labels_damaged_by_hand_give_none(folder: RunFolder) -> None:
    folder.labels_file.write_text("name: [")
    assert folder.labels.name == ""
