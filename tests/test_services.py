"""What is said to a configuration before a run of it is queued, beyond what its own fields say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.services import Services, open_services


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """With a paused queue; one for all tests, since the engine imports torch before it tells a model's shape."""
    with open_services(Home(tmp_path_factory.mktemp("services") / "home")) as services:
        services.runs.set_queue(paused=True)
        yield services


def test_a_tracker_that_is_not_installed_is_refused_beside_its_field(
    services: Services, tiny_model_folder: Path, tiny_dataset_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.services.find_spec", lambda name: None if name == "mlflow" else object())
    data = {"dataset": str(tiny_dataset_file), "max_length": 64}
    fields: dict[str, Any] = {"base_model": f"folder:{tiny_model_folder}", "data": data}
    services.prepare(RunConfig.parse(fields | {"training": {"trackers": ["tensorboard"]}}))
    before = services.runs.list("is:any")
    with pytest.raises(WorkbenchError) as refused:
        services.submit(RunConfig.parse(fields | {"training": {"trackers": ["tensorboard", "mlflow"]}}))
    assert services.runs.list("is:any") == before
    (problem,) = refused.value.problems
    assert (problem.field, problem.message) == ("training.trackers", "mlflow is not installed.")
    assert "pip install mlflow" in problem.remedy


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"method.rank": 2}, {"method.rank": "4"}),
        ({"method.target_modules": ["q_proj"]}, {"method.target_modules": "all-linear"}),
        ({"method.kind": "dora"}, {"method.kind": "lora"}),
        ({"method.kind": "rslora", "method.rank": 2, "training.epochs": 2}, {"method.rank": "4"}),
        ({"method.rank_pattern": "q_proj=2"}, {"method.rank_pattern": "empty"}),
        ({"method.rank": 2, "method.target_modules": ["q_proj"]}, {"method.rank": "4", "method.target_modules": "all"}),
    ],
)
def test_what_cannot_be_continued_is_refused_beside_the_field_that_was_changed(
    services: Services, tiny_model_folder: Path, tiny_dataset_file: Path, change: dict[str, Any], told: dict[str, str]
) -> None:
    data = {"dataset": str(tiny_dataset_file), "max_length": 64}
    fields = {"base_model": f"folder:{tiny_model_folder}", "data": data, "method": {"kind": "lora", "rank": 4}}
    first = services.submit(RunConfig.parse(fields))
    before = services.runs.list("is:any")
    with pytest.raises(WorkbenchError) as refused:
        services.go_on(first.id, change)
    assert services.runs.list("is:any") == before
    with pytest.raises(WorkbenchError, match="saved nothing"):  # it fits: only there is nothing yet
        services.go_on(first.id, {"method.alpha": 8, "training.learning_rate": 1e-5})
    problems = {problem.field: problem.message for problem in refused.value.problems}
    assert problems.keys() == told.keys()
    assert all(f"there it was {was}" in problems[field] for field, was in told.items())
