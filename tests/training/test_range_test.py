"""A real range test on a tiny model: the run's own steps, under rates that climb until the loss is lost."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from training_runs import MakeRun, losses

from workbench.events import Failed, Finished, Started, StepLogged
from workbench.runs.folder import RunFolder
from workbench.runs.range_curve import judge
from workbench.training.__main__ import attempt
from workbench.training.range_test import Steps, Taken
from workbench.training.stopping import StopRequest


def tried(folder: RunFolder, stop: StopRequest | None = None) -> list[StepLogged]:
    attempt(folder, stop or StopRequest(folder), range_test=True)
    return [event for event in folder.events() if isinstance(event, StepLogged)]


def test_rates_climb_by_one_factor_and_the_curve_suggests_one_at_which_a_run_learns(make_run: MakeRun) -> None:
    folder = make_run(learning_rate=1e-4)
    steps = tried(folder)
    rates = [step.learning_rate for step in steps]
    factors = {round(after / before, 6) for before, after in pairwise(rates)}
    assert rates[0] == pytest.approx(1e-6)
    assert len(factors) == 1
    started = next(event for event in folder.events() if isinstance(event, Started))
    assert 12 <= started.total_steps <= 100
    assert isinstance(list(folder.events())[-1], Finished)
    assert not folder.adapter.exists()
    assert not list(folder.checkpoints_dir.iterdir())

    verdict = judge(rates, [math.nan if step.loss is None else step.loss for step in steps])
    assert verdict.suggestion is not None, verdict.reason
    assert 1e-4 < verdict.suggestion.learning_rate < 0.1
    learning = make_run(learning_rate=verdict.suggestion.learning_rate, warmup_steps=0)
    attempt(learning, StopRequest(learning))
    course = [loss for loss in losses(learning).values() if loss is not None]
    assert course[-1] < course[0]


def test_a_step_that_changes_nothing_has_the_loss_that_the_run_has(make_run: MakeRun) -> None:
    """At its smallest rates the test sees the run's own batches in the run's own order."""
    run = make_run(learning_rate=1e-9, warmup_steps=0, method={"dropout": 0.0})
    attempt(run, StopRequest(run))
    test = make_run(learning_rate=1e-9, method={"dropout": 0.0})
    seen = [step.loss for step in tried(test)[:4]]
    assert seen == pytest.approx([losses(run)[step] for step in range(3, 7)], abs=2e-3)


def test_where_few_steps_fit_all_of_them_see_the_same_rows(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates too small to change anything give one loss; the batches of a run differ far more."""
    monkeypatch.setattr("workbench.training.range_test.SECONDS", 0.0)
    folder = make_run(method={"dropout": 0.0})
    seen = [step.loss for step in tried(folder)[:3]]
    assert seen == pytest.approx([seen[0]] * 3, abs=2e-3)
    assert next(event.total_steps for event in folder.events() if isinstance(event, Started)) == 12


def test_parameters_that_learn_faster_still_do(make_run: MakeRun) -> None:
    groups: list[list[float]] = []

    class Looked(Steps):
        def take(self, learning_rate: float) -> Taken:
            taken = super().take(learning_rate)
            groups.append([group["lr"] / learning_rate for group in self._optimizer.param_groups])
            return taken

    folder = make_run(method={"kind": "lora_plus", "dropout": 0.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.training.range_test.Steps", Looked)
        tried(folder)
    assert groups[0] == pytest.approx([1.0, 16.0])


class StopAfter(StopRequest):
    def __init__(self, folder: RunFolder, steps: int) -> None:
        super().__init__(folder)
        self._watched, self._steps = folder, steps

    def made(self) -> bool:
        return sum(isinstance(event, StepLogged) for event in self._watched.events()) >= self._steps


def test_it_ends_when_it_is_asked_to(make_run: MakeRun) -> None:
    folder = make_run()
    assert len(tried(folder, StopAfter(folder, 5))) == 5
    last = list(folder.events())[-1]
    assert isinstance(last, Finished)
    assert last.stopped


def test_a_failure_is_told_as_a_run_tells_it(make_run: MakeRun) -> None:
    folder = make_run(data={"dataset": "no-such-file.jsonl"})
    with pytest.raises(Exception, match="no dataset"):
        tried(folder)
    assert isinstance(list(folder.events())[-1], Failed)
