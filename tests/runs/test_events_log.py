"""The events of a run: what is written is read, whatever was cut off or did not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.events import Event, Failed, Finished, Phase, PhaseChanged, StepLogged
from workbench.home import Home
from workbench.runs.events_log import EventWriter, Place, read_from, shards
from workbench.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(Home(tmp_path), RunConfig(), run_id="one")


def step(number: int, loss: float | None = 1.0) -> StepLogged:
    return StepLogged(
        step=number,
        epoch=0.1,
        loss=loss,
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=number * 10,
        tokens_per_second=10.0,
        elapsed=float(number),
        memory_bytes=1,
    )


def write(folder: RunFolder, *events: Event, shard_bytes: int = 1 << 20) -> None:
    writer = EventWriter(folder, shard_bytes)
    for event in events:
        writer.write(event)
    writer.close()


def steps_of(folder: RunFolder, after: int = 0) -> list[int]:
    return [event.step for event in folder.events(after) if isinstance(event, StepLogged)]


def test_events_come_back_in_order_with_seq_and_time(folder: RunFolder) -> None:
    write(folder, PhaseChanged(phase=Phase.TRAINING), step(1), step(2))
    events = list(folder.events())
    assert [event.seq for event in events] == [1, 2, 3]
    assert all(event.time > 0 for event in events)
    assert [event.seq for event in folder.events(after=2)] == [3]


def test_a_loss_that_is_not_finite_is_read_as_none(folder: RunFolder) -> None:
    write(folder, step(1, float("nan")), step(2, float("inf")))
    assert [event.loss for event in folder.events() if isinstance(event, StepLogged)] == [None, None]


def test_an_attempt_goes_on_counting_after_a_line_that_was_cut(folder: RunFolder) -> None:
    write(folder, step(1), step(2))
    shard = shards(folder.events_dir)[-1]
    shard.write_bytes(shard.read_bytes() + b'{"type":"step","seq":3,"ti')
    assert steps_of(folder) == [1, 2]
    write(folder, step(3))
    assert [(event.seq) for event in folder.events()] == [1, 2, 3]
    assert steps_of(folder) == [1, 2, 3]


def test_shards_roll_over_and_are_read_in_order(folder: RunFolder) -> None:
    write(folder, *(step(number) for number in range(1, 30)), shard_bytes=500)
    assert len(shards(folder.events_dir)) > 5
    assert steps_of(folder) == list(range(1, 30))


def test_reading_on_from_a_place_misses_nothing_and_repeats_nothing(folder: RunFolder) -> None:
    writer = EventWriter(folder, shard_bytes=700)
    place, seen = Place(), []
    for number in range(1, 40):
        writer.write(step(number))
        if number % 3 == 0:
            events, place = read_from(folder.events_dir, place, limit=2)
            seen += [event.seq for event in events]
    while events:
        events, place = read_from(folder.events_dir, place, limit=5)
        seen += [event.seq for event in events]
    assert seen == list(range(1, 40))


def test_a_line_that_is_still_being_written_is_left_for_later(folder: RunFolder) -> None:
    write(folder, step(1))
    shard = shards(folder.events_dir)[-1]
    whole = shard.read_bytes()
    second = whole.replace(b'"seq":1', b'"seq":2')
    shard.write_bytes(whole + second[:20])
    events, place = read_from(folder.events_dir, Place())
    assert [event.seq for event in events] == [1]
    shard.write_bytes(whole + second)
    events, place = read_from(folder.events_dir, place)
    assert [event.seq for event in events] == [2]


def test_nothing_is_lost_when_the_worker_is_killed(folder: RunFolder) -> None:
    program = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_events_log import step, EventWriter, RunFolder\n"
        "writer = EventWriter(RunFolder(Path(sys.argv[1])))\n"
        "for number in range(1, 101): writer.write(step(number))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, folder.path, Path(__file__).parent], check=False)
    assert steps_of(folder) == list(range(1, 101))


def full(limit: int, body: Callable[[], None]) -> None:
    """Run `body` in a child in which no file may grow beyond `limit` bytes."""
    import resource

    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            body()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_full_disk_leaves_whole_lines_and_room_for_the_last_words(folder: RunFolder) -> None:
    def body() -> None:
        writer = EventWriter(folder)
        with pytest.raises(WorkbenchError, match="disk is full"):
            for number in range(1, 1000):
                writer.write(step(number))
        writer.write(Failed(message="The disk is full.", remedy="Free some.", cause="disk-full"))

    full(5000, body)
    events = list(folder.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], Failed)
    assert all(shard.read_bytes().endswith(b"\n") for shard in shards(folder.events_dir))


def test_the_reserve_goes_with_the_writer(folder: RunFolder) -> None:
    write(folder, Finished(step=1, stopped=False))
    assert [path.name for path in folder.events_dir.iterdir()] == ["000001.jsonl"]
