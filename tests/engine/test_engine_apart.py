"""What computes beside the answers does so in threads that end, and so leaves no team of threads behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from workbench.engine import base as base_room
from workbench.engine.apart import apart
from workbench.engine.bases import Bases
from workbench.home import Home


def test_it_gives_what_the_work_gives_in_a_thread_that_ends() -> None:
    worker = apart(threading.current_thread)
    assert worker is not threading.current_thread()
    assert not worker.is_alive()


def test_it_raises_what_the_work_raises() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        apart(fail)


def test_a_base_model_is_loaded_apart(home: Home, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaders: list[threading.Thread] = []
    load = base_room.load_model

    def watched(folder: Path) -> object:
        loaders.append(threading.current_thread())
        return load(folder)

    monkeypatch.setattr(base_room, "load_model", watched)
    bases = Bases(home)
    bases.get(f"folder:{tiny_model_folder}")
    bases.release_all("the test is over")
    assert len(loaders) == 1
    assert not loaders[0].is_alive()
