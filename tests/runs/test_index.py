"""The index: its schema, its migrations, and what becomes of a file that cannot be trusted."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_worker import logged

from workbench.events import Answered, Evaluated, Event, RanksMoved, Resumed
from workbench.records.runs import Run, RunStatus
from workbench.runs import migrations
from workbench.runs.index import Folded, Index
from workbench.runs.progress import Progress, advance


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index #1?.sqlite")
    assert not index.open()
    yield index
    index.close()


def run(run_id: str = "one", created: float = 1.0) -> Run:
    return Run(
        id=run_id,
        name=run_id,
        status=RunStatus.RUNNING,
        created=created,
        base_model="folder:x",
        dataset="d",
        method="lora",
    )


def numbered(*events: Event, first: int = 1) -> list[Event]:
    return [event.model_copy(update={"seq": seq, "time": float(seq)}) for seq, event in enumerate(events, first)]


def put(index: Index, events: list[Event], before: Progress | None = None) -> Progress:
    progress = before or Progress()
    for event in events:
        progress = advance(progress, event)
    index.put(run(), Folded(progress=progress), events)
    return progress


def test_the_schema_is_what_the_migrations_make_of_it(index: Index) -> None:
    with sqlite3.connect(index.path) as connection:
        tables = {
            name: [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        applied = [name for (name,) in connection.execute("SELECT name FROM migrations")]
    assert applied == list(migrations.MIGRATIONS)
    measures = "step epoch loss learning_rate grad_norm tokens tokens_per_second elapsed memory_bytes"
    assert tables == {
        "migrations": ["name"],
        "runs": ["number", "id", "created", "record", "folded", "seq", "resumed"],
        "steps": ["run", "seq", "time", *measures.split()],
        "evaluations": ["run", "seq", "time", "step", "loss", "tokens"],
        "answers": ["run", "seq", "time", "step", "prompt", "text", "tokens", "cut"],
        "ranks": ["run", "seq", "time", "step", "total", "ranks"],
    }


def test_what_is_put_is_read(index: Index) -> None:
    put(index, numbered(logged(1), Evaluated(step=1, loss=2.5, tokens=7), logged(2)))
    assert index.run("one") == run()
    assert index.run("two") is None
    delta = index.metrics("one")
    assert delta is not None
    assert (delta.cursor, delta.reset, delta.steps.step, delta.steps.seq) == (3, False, (1, 2), (1, 3))
    assert (delta.evaluations.loss, delta.evaluations.tokens) == ((2.5,), (7,))
    later = index.metrics("one", 2)
    assert later is not None
    assert (later.steps.step, later.evaluations.step) == ((2,), ())


def test_newest_runs_come_first(index: Index) -> None:
    for run_id, created in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        index.put(run(run_id, created), Folded())
    assert [found.id for found in index.runs()] == ["b", "c", "a"]
    index.forget("b")
    assert [found.id for found in index.runs()] == ["c", "a"]


def test_a_resume_drops_later_steps_and_resets_who_had_seen_them(index: Index) -> None:
    said = [Answered(step=step, prompt="Who?", text=f"I, at {step}.", tokens=5, cut=True) for step in (4, 8)]
    moved = RanksMoved(step=6, total=9, ranks='{"q_proj": 9}')
    evaluated = Evaluated(step=8, loss=1.0, tokens=1)
    before = put(index, numbered(*(logged(step) for step in range(1, 7)), *said, moved, evaluated))
    again = (Resumed(step=5), logged(6), Resumed(step=5), logged(6), moved, logged(7))
    put(index, numbered(*again, first=11), before)
    delta = index.metrics("one")
    assert delta is not None
    assert delta.steps.step == (1, 2, 3, 4, 5, 6, 7)
    assert delta.evaluations.step == ()
    assert [(answer.step, answer.text, answer.cut) for answer in delta.answers] == [(4, "I, at 4.", True)]
    assert [(state.step, state.total, state.ranks) for state in delta.ranks] == [(6, 9, '{"q_proj": 9}')]
    for after, reset in ((0, False), (3, True), (12, True), (13, False), (16, False), (99, True)):
        found = index.metrics("one", after)
        assert found is not None
        assert found.reset is reset
        assert (found.steps.step == delta.steps.step) is (reset or after == 0)


def test_readers_do_not_wait_for_the_writer(index: Index) -> None:
    put(index, numbered(logged(1)))
    seen: list[int] = []

    def read() -> None:
        delta = index.metrics("one")
        seen.append(delta.cursor if delta else -1)

    with index.together():
        index.put(run("two"), Folded())
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(5)
        assert seen == [1]
        assert [found.id for found in index.runs()] == ["one"]
    assert len(index.runs()) == 2


def test_a_reader_cannot_write(index: Index) -> None:
    with index._reading() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM runs")


def test_it_is_readable_while_nobody_writes(index: Index) -> None:
    index.put(run(), Folded())
    index.close()
    assert [found.id for found in index.runs()] == ["one"]


@pytest.mark.parametrize("damage", ["garbage", "cut", "newer", "other records"])
def test_a_file_that_cannot_be_trusted_is_made_anew(index: Index, damage: str) -> None:
    put(index, numbered(*(logged(step) for step in range(1, 500))))
    index.close()
    content = index.path.read_bytes()
    if damage == "garbage":
        index.path.write_bytes(b"garbage" * 1000)
    elif damage == "cut":
        index.path.write_bytes(content[: len(content) // 2])
    else:
        change = {"newer": "INSERT INTO migrations VALUES ('9999_later')", "other records": "PRAGMA user_version = 1"}
        with sqlite3.connect(index.path) as connection:
            connection.execute(change[damage])
    assert not index.open()
    assert index.runs() == []
    index.put(run(), Folded())
    index.close()
    assert index.open()
    assert len(index.runs()) == 1


def test_an_older_file_is_brought_up_to_date(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.put(run(), Folded())
    index.close()
    later = {**migrations.MIGRATIONS, "9999_note": ("ALTER TABLE runs ADD COLUMN note TEXT",)}
    monkeypatch.setattr("workbench.runs.index.MIGRATIONS", later)
    assert index.open()
    assert len(index.runs()) == 1
    with sqlite3.connect(index.path) as connection:
        assert connection.execute("SELECT note FROM runs").fetchall() == [(None,)]


def test_a_deleted_file_is_noticed(index: Index) -> None:
    assert not index.lost()
    index.path.unlink()
    assert index.lost()
