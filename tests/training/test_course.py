"""The course of a run: it ends early when nothing gets better, keeps its best checkpoint, warms up, smooths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_services import fake_services
from training_runs import MakeRun, StopAt, carry_out, losses

from workbench.config import RunConfig
from workbench.errors import Problem, WorkbenchError
from workbench.events import CheckpointSaved, Evaluated, Finished, StepLogged, Warned
from workbench.home import Home
from workbench.training.checkpoints import read_progress

HOPELESS = {"learning_rate": 0.5, "schedule": "constant", "evaluate_every": 1, "save_every": 1}
"""So large a step that the eval loss can only rise."""


def test_a_run_whose_eval_loss_does_not_fall_ends_early_and_is_finished(make_run: MakeRun) -> None:
    run = make_run(max_steps=30, early_stopping=2, **HOPELESS)
    events = carry_out(run)
    evaluated = [event.loss for event in events if isinstance(event, Evaluated)]
    assert isinstance(events[-1], Finished)
    assert not events[-1].stopped
    assert len(losses(run)) < 30
    assert min(evaluated) <= min(evaluated[-2:])
    assert any("ended early" in event.message for event in events if isinstance(event, Warned))


def test_patience_is_counted_on_across_a_resume(make_run: MakeRun) -> None:
    whole, stopped = (make_run(max_steps=30, early_stopping=4, **HOPELESS) for _ in range(2))
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, 3))
    carry_out(stopped)
    assert losses(stopped) == losses(whole)


def test_the_best_checkpoint_is_kept_beside_the_newest(make_run: MakeRun) -> None:
    run = make_run(max_steps=6, keep_checkpoints=1, **HOPELESS)
    events = carry_out(run)
    saved = {event.name: event.eval_loss for event in events if isinstance(event, CheckpointSaved)}
    best = min(saved, key=lambda name: saved[name] or 0.0)
    assert {checkpoint.name for checkpoint in run.checkpoints()} == {best, "checkpoint-6"}
    assert read_progress(run.checkpoints_dir / best).eval_loss == min(loss or 0.0 for loss in saved.values())


APART = {"max_steps": 16, "evaluate_every": 3, "save_every": 7, "learning_rate": 0.03, "schedule": "constant"}
"""Evaluations and planned checkpoints that never fall on one step; the best comes before the end."""


def test_a_new_best_is_saved_whenever_it_is_evaluated(make_run: MakeRun) -> None:
    run = make_run(**APART, keep_checkpoints=9)
    events = carry_out(run)
    evaluated = {event.step: event.loss for event in events if isinstance(event, Evaluated)}
    saved = {event.step: event.eval_loss for event in events if isinstance(event, CheckpointSaved)}
    lowest = [step for step, loss in evaluated.items() if all(loss < evaluated[n] for n in evaluated if n < step)]
    assert len(lowest) > 1
    assert saved == {step: evaluated.get(step) for step in {*lowest, 7, 14, 16}}


def test_a_planned_checkpoint_is_not_rated_by_the_loss_of_other_weights(make_run: MakeRun) -> None:
    run = make_run(**APART, keep_checkpoints=1)
    evaluated = {event.step: event.loss for event in carry_out(run) if isinstance(event, Evaluated)}
    best = min(evaluated, key=evaluated.__getitem__)
    assert best < 14, "a planned checkpoint comes between the best and the end"
    assert {checkpoint.step for checkpoint in run.checkpoints()} == {best, 16}


@pytest.mark.parametrize("stopped_at", [8, 14])
def test_best_and_patience_outlive_a_stop_between_evaluations(make_run: MakeRun, stopped_at: int) -> None:
    whole, stopped = (make_run(**APART, early_stopping=9, keep_checkpoints=1) for _ in range(2))
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, stopped_at))
    carry_out(stopped)
    assert losses(stopped) == losses(whole)
    ends = [
        {checkpoint.step: read_progress(run.checkpoints_dir / checkpoint.name) for checkpoint in run.checkpoints()}
        for run in (stopped, whole)
    ]
    assert ends[0].keys() == ends[1].keys()
    for step, progress in ends[0].items():
        assert progress.model_copy(update={"elapsed": 0.0}) == ends[1][step].model_copy(update={"elapsed": 0.0})


def test_early_stopping_without_held_out_rows_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="No rows are held out") as refused:
        RunConfig.parse({"data": {"validation_share": 0}, "training": {"early_stopping": 3}})
    assert refused.value.problems[0].field == "training.early_stopping"


ONE_ROW = '{"q": "What?", "a": "This.", "author": "her"}\n'


@pytest.mark.parametrize(("rows", "data"), [(1, {}), (9, {"group_by": "author"})])
@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"training": {"evaluate_every": 5, "early_stopping": 2}}, ["early_stopping", "evaluate_every"]),
        ({"training": {"evaluate_every": 5}, "samples": {"prompts": ["Who?"]}}, []),
        ({}, []),
    ],
)
def test_evaluations_are_refused_before_a_run_is_queued_where_no_row_ends_up_held_out(
    rows: int, data: dict[str, str], asked: dict[str, Any], fields: list[str], home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(ONE_ROW * rows)
    config = RunConfig.parse({"data": {"dataset": str(file), "validation_share": 0.5} | data} | asked)
    assert [problem.field for problem in found_by_prepare(config, home)] == [f"training.{name}" for name in fields]


def found_by_prepare(config: RunConfig, home: Home) -> tuple[Problem, ...]:
    services, _ = fake_services(home)
    try:
        services.prepare(config)
    except WorkbenchError as error:
        return error.problems
    return ()


def test_evaluations_are_refused_where_no_held_out_row_has_an_answer_left(make_run: MakeRun, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"q": "why " * 100, "a": "This."}) + "\n")
    run = make_run(data={"validation_dataset": str(own)})
    with pytest.raises(WorkbenchError) as refused:
        carry_out(run)
    assert [problem.field for problem in refused.value.problems] == ["training.evaluate_every"]
    assert "within 64 tokens" in refused.value.remedy


def test_a_share_of_the_steps_warms_up(make_run: MakeRun) -> None:
    run = make_run(max_steps=8, warmup_steps=0, warmup_share=0.5, learning_rate=0.01, schedule="constant")
    rates = [event.learning_rate for event in carry_out(run) if isinstance(event, StepLogged)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.01, 0.01], abs=0.0026)
    assert rates[:4] == sorted(set(rates[:4]))


def test_smoothing_changes_the_training_loss_and_not_the_eval_loss(make_run: MakeRun) -> None:
    tiny = {"max_steps": 1, "warmup_steps": 0, "learning_rate": 1e-9}
    plain, smooth = make_run(**tiny), make_run(**tiny, label_smoothing=0.2)
    found = []
    for run in (plain, smooth):
        events = carry_out(run)
        found.append((losses(run)[1], next(event.loss for event in events if isinstance(event, Evaluated))))
    assert found[0][0] != pytest.approx(found[1][0], abs=1e-3)
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-5)
