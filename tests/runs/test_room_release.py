"""Before a run starts, memory is asked back where it is short, and only there."""

from __future__ import annotations

import pytest
from runs_kit import IMPATIENT, OVER, end_workers, executor, fake_config, wait_for

from workbench.home import Home
from workbench.runs import Runs
from workbench.runs.room import Room


@pytest.mark.parametrize(("needed", "asked"), [(1, []), (2**60, ["a run needed the memory"])])
def test_memory_is_asked_back_where_it_is_short(
    home: Home, needed: int, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "needs", lambda *_: needed)
    told: list[str] = []
    runs = Runs(home, executor(), IMPATIENT, room=Room(home, told.append))
    runs.start()
    try:
        wait_for(runs, runs.submit(fake_config("steps=2")).id, *OVER)
    finally:
        runs.close()
        end_workers(runs)
    assert told == asked
