"""What a user can do with runs beyond starting and stopping: queue, labels, cancel, continue, checkpoints, lanes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from runs_kit import IMPATIENT, OVER, end_workers, executor, fake_config, wait_for, wait_until

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import Run, RunStatus
from workbench.runs import Runs
from workbench.runs.lanes import CPU, Lane, lanes_of
from workbench.runs.queue import Queue
from workbench.runs.room import Room
from workbench.runs.system import Gpu


@pytest.fixture
def runs(home: Home) -> Iterator[Runs]:
    service = Runs(home, executor(), IMPATIENT)
    service.start()
    yield service
    service.close()
    end_workers(service)


def submit(runs: Runs, behaviour: str) -> Run:
    return runs.submit(fake_config(behaviour))


def test_the_queue_is_a_file_with_its_settings(home: Home) -> None:
    queue = Queue(home.queue)
    for run_id in "abc":
        queue.add(run_id)
    queue.set(paused=True, slots=2)
    queue.move("c", 0)
    queue.add("a")
    assert home.queue.read_text() == "# paused\n# slots 2\nc\na\nb\n"
    assert Queue(home.queue).state() == queue.state()
    queue.move("c", 99)
    queue.set(paused=False)
    queue.reconcile(["d", "b", "c"])
    assert home.queue.read_text() == "# slots 2\nb\nc\nd\n"
    home.queue.write_bytes(b"# slots many\n\xff\n")
    assert queue.state().ids == ()


def test_a_paused_queue_starts_nothing_and_can_be_put_in_another_order(runs: Runs, home: Home) -> None:
    runs.set_queue(paused=True)
    first, second, third = (submit(runs, "steps=2") for _ in range(3))
    assert runs.move(third.id, 0).ids == (third.id, first.id, second.id)
    assert runs.get(first.id).status is RunStatus.QUEUED
    assert not runs.set_queue(paused=False).paused
    done = [wait_for(runs, run.id, *OVER) for run in (third, first, second)]
    starts = [run.started or 0 for run in done]
    assert starts == sorted(starts)
    with pytest.raises(WorkbenchError, match="does not wait"):
        runs.move(first.id, 0)
    with pytest.raises(WorkbenchError, match="at most 16"):
        runs.set_queue(slots=17)


def test_a_pause_outlives_the_server(runs: Runs, home: Home) -> None:
    runs.set_queue(paused=True)
    run = submit(runs, "steps=2")
    runs.close()
    again = Runs(home, executor(), IMPATIENT)
    again.start()
    try:
        assert again.queue().paused
        again.set_queue(paused=False)
        wait_for(again, run.id, RunStatus.FINISHED)
    finally:
        again.close()


def test_two_runs_share_a_device_when_the_user_says_so_and_they_fit(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "capacity", lambda room, lane, taken=0: 1 << 40)
    runs.set_queue(slots=2)
    first, second, third = (submit(runs, "steps=40 pause=0.03") for _ in range(3))
    wait_until(runs, second.id, lambda run: run.step >= 1)
    assert runs.get(first.id).status.active
    assert runs.get(third.id).status is RunStatus.QUEUED
    (device,) = runs.devices()
    assert set(device.runs) == {first.id, second.id}
    assert device.needed == 2 * (runs.needs(first.id) or 0) > 0
    for run in (first, second, third):
        assert wait_for(runs, run.id, *OVER).status is RunStatus.FINISHED


def test_a_run_that_does_not_fit_beside_another_waits_for_it(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "capacity", lambda room, lane, taken=0: 1)
    runs.set_queue(slots=2)
    first, second = (submit(runs, "steps=30 pause=0.02") for _ in range(2))
    assert (wait_for(runs, first.id, *OVER).ended or 0) <= (wait_for(runs, second.id, *OVER).started or 0)


def test_every_card_is_a_lane() -> None:
    cards = [Gpu(index=n, name="x", memory_total=1, memory_used=0, busy=None, temperature=None) for n in (0, 1)]
    assert [lane.name for lane in lanes_of(cards)] == ["gpu-0", "gpu-1"]
    assert lanes_of(cards)[1].environment == {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert lanes_of([]) == (CPU,)


def test_two_cards_run_two_runs_each_on_its_own(home: Home) -> None:
    lanes = [Lane("gpu-0", {"CUDA_VISIBLE_DEVICES": "0"}), Lane("gpu-1", {"CUDA_VISIBLE_DEVICES": "1"})]
    runs = Runs(home, executor(), IMPATIENT, lanes)
    runs.start()
    try:
        first, second = (submit(runs, "steps=100 pause=0.03 then=tell-device") for _ in range(2))
        wait_until(runs, second.id, lambda run: run.step >= 1)
        assert runs.get(first.id).status.active
        for run in (first, second):
            wait_for(runs, run.id, RunStatus.FINISHED)
        assert {runs.log(run.id).strip() for run in (first, second)} == {"device 0", "device 1"}
    finally:
        runs.close()
        end_workers(runs)


def test_cancel_ends_a_run_at_once_and_what_was_saved_stays(runs: Runs) -> None:
    run_id = submit(runs, "steps=5000 pause=0.02 save=5 then=deaf").id
    wait_until(runs, run_id, lambda run: run.step >= 7)
    assert runs.cancel(run_id).status is RunStatus.STOPPED
    wait_until(runs, run_id, lambda run: not runs._supervisor.working(run_id))
    run = runs.get(run_id)
    assert (run.status, run.problem) == (RunStatus.STOPPED, "")
    assert [saved.step for saved in run.checkpoints][:1] == [5]
    queued = submit(runs, "steps=2")
    runs.set_queue(paused=True)
    assert runs.cancel(queued.id).status in (RunStatus.STOPPED, RunStatus.FINISHED)


def test_labels_are_searched_and_survive_a_reindex(runs: Runs) -> None:
    run_id = submit(runs, "then=silent").id
    wait_for(runs, run_id, *OVER)
    runs.label(run_id, note="the one from Monday", tags=("paper", "r8"), pin=True)
    assert [run.id for run in runs.list("monday tag:paper is:pinned")] == [run_id]
    runs.label(run_id, archived=True)
    runs.reindex()
    assert runs.list() == []
    assert [run.tags for run in runs.list("is:archived")] == [("paper", "r8")]
    with pytest.raises(WorkbenchError, match="no such setting"):
        runs.label(run_id, colour="red")


def test_a_run_continues_another_with_changed_settings(runs: Runs) -> None:
    first = submit(runs, "steps=5")
    wait_for(runs, first.id, *OVER)
    config = runs.config(first.id, {"training.learning_rate": 1e-5, "name": "steps=3"})
    second = runs.submit(config, continues=f"{first.id}/checkpoint-5")
    assert second.continues == f"{first.id}/checkpoint-5"
    assert runs.config(second.id).training.learning_rate == 1e-5
    assert [run.id for run in runs.list(f"continues:{first.id}")] == [second.id]
    wait_for(runs, second.id, *OVER)
    compared = runs.compare([first.id, second.id])
    assert [difference.field for difference in compared.differing] == ["training.learning_rate"]
    with pytest.raises(WorkbenchError, match="no run"):
        runs.submit(config, continues="nobody")
    with pytest.raises(WorkbenchError, match="no checkpoint"):
        runs.submit(config, continues=f"{first.id}/checkpoint-6")
    with pytest.raises(WorkbenchError, match="saved nothing"):
        runs.submit(config, continues=second.id)


def test_checkpoints_are_deleted_one_by_one_or_but_for_the_best(runs: Runs) -> None:
    run_id = submit(runs, "steps=30 save=5").id
    with pytest.raises(WorkbenchError, match="still at work"):
        wait_until(runs, run_id, lambda run: run.step >= 1)
        runs.delete_checkpoint(run_id, "checkpoint-5")
    done = wait_for(runs, run_id, RunStatus.FINISHED)
    assert [saved.step for saved in done.checkpoints] == [5, 10, 15, 20, 25, 30]
    wait_until(runs, run_id, lambda run: not runs._supervisor.working(run_id))
    before = runs.bytes(run_id)
    left = runs.delete_checkpoint(run_id, "checkpoint-5").checkpoints
    assert [saved.step for saved in left] == [10, 15, 20, 25, 30]
    assert runs.bytes(run_id) < before
    assert [saved.step for saved in runs.thin_checkpoints(run_id, keep=2).checkpoints] == [25, 30]
    with pytest.raises(WorkbenchError, match="no checkpoint"):
        runs.delete_checkpoint(run_id, "../labels.yaml")


def test_a_failure_is_explained_with_its_trace(runs: Runs) -> None:
    run_id = submit(runs, "steps=9 at=4 then=fail").id
    assert runs.explain(run_id) is None
    wait_for(runs, run_id, RunStatus.FAILED)
    explained = runs.explain(run_id)
    assert explained is not None
    assert (explained.detail, explained.remedy) == ("It broke.", "Mend it.")


def test_a_workers_load_is_told_while_it_works(runs: Runs) -> None:
    run_id = submit(runs, "steps=100 pause=0.02").id
    wait_until(runs, run_id, lambda run: run.step >= 3)
    load = runs.load(run_id)
    assert load is not None
    assert load.memory > 1 << 20
    assert load.cpu_seconds > 0
    runs.cancel(run_id)
    wait_until(runs, run_id, lambda run: runs.load(run_id) is None)
    disk = runs.disk()
    assert disk.runs[run_id] > 0
    superfluous = [saved.bytes for saved in runs.get(run_id).checkpoints][:-1]
    assert disk.dispensable.get(run_id, 0) == sum(superfluous)
