"""What stays in memory: adapters by their last use, base models as long as somebody talks to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from engine_homes import save_run
from engine_rows import ask, order

from workbench.engine.base import Base
from workbench.engine.bases import Bases
from workbench.home import Home
from workbench.protocol.engine import EnginePhase
from workbench.protocol.model_ids import ModelId


def test_the_least_recently_used_adapter_is_dropped_and_read_again(
    home: Home, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        save_run(home, name, tiny_model_folder)
    monkeypatch.setattr("workbench.engine.base.MAX_ADAPTERS", 2)
    bases = Bases(home)
    base = bases.get(f"folder:{tiny_model_folder}")
    first = base.dose(ModelId("one"), home).adapter
    base.dose(ModelId("two"), home)
    assert base.dose(ModelId("one"), home).adapter is first
    base.dose(ModelId("three"), home)
    assert base.adapters == ("one", "three")
    assert base.dose(ModelId("two"), home).adapter is not None
    assert base.adapters == ("three", "two")
    bases.release_all("the test is over")


def test_an_idle_base_is_let_go_and_a_busy_one_is_not(
    home: Home, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"folder:{tiny_model_folder}"
    bases = Bases(home, idle_seconds=0.0)
    base = bases.get(reference)
    assert isinstance(base, Base)
    asked = ask(base, order(base, (5, 6, 7), limit=200))
    while not base.owner.rows:
        pass
    bases.release_idle()
    bases.release_all("a run needed the memory")
    assert bases.models()[0].phase == EnginePhase.READY
    asked.ended()
    while base.owner.rows:
        pass
    bases.release_unwanted()
    told = bases.models()[0]
    assert (told.phase, told.detail) == (EnginePhase.UNLOADED, "a run needed the memory")
    assert not hasattr(base, "model")
    said: list[str] = []
    monkeypatch.setattr(Bases, "_say", _noting(said))
    again = bases.get(reference)
    assert "reading the weights again: a run needed the memory" in said
    assert again is not base
    assert not again.owner.waiting
    bases.release_idle()
    assert "nobody talked to it" in bases.models()[0].detail


def _noting(said: list[str]) -> Callable[..., None]:
    say = Bases._say

    def noted(bases: Bases, reference: str, phase: EnginePhase, detail: str = "", done: float | None = None) -> None:
        said.append(detail)
        say(bases, reference, phase, detail, done)

    return noted
