"""Beside a run the engine computes on one thread, and on all again when the run is over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_rows import ask, order

from workbench.config import RunConfig
from workbench.engine.base import Base
from workbench.home import Home
from workbench.runs.at_work import MISSED_BEATS, at_work
from workbench.runs.folder import RunFolder
from workbench.runs.pulse import Pulse


def test_threads_follow_what_else_computes(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engine.owner.LOOK_SECONDS", 0.0)
    runs: list[str] = []
    before = torch.get_num_threads()
    base = Base("folder:tiny", tiny_model_folder, lambda: bool(runs))
    owner: Any = base.owner
    owner._threads = 2
    forward, seen = owner._forward, []

    def watched(stretches: Any) -> Any:
        seen.append(torch.get_num_threads())
        return forward(stretches)

    for name in ("admit", "past", "in_pieces"):
        setattr(watched, name, getattr(forward, name))
    owner._forward = watched
    try:
        for crowded in (["a run"], []):
            runs[:] = crowded
            ask(base, order(base, (5, 6, 7), limit=2)).ended()
    finally:
        owner.close()
        owner.join()
        torch.set_num_threads(before)
    assert seen == [1, 1, 2, 2]


def test_a_run_is_at_work_while_its_heart_beats(home: Home) -> None:
    assert not at_work(home)
    folder = RunFolder.create(home, RunConfig())
    assert not at_work(home)
    with Pulse(folder):
        assert at_work(home)
    stopped = folder.heartbeat_file.stat().st_mtime - MISSED_BEATS - 1
    os.utime(folder.heartbeat_file, (stopped, stopped))
    assert not at_work(home)
