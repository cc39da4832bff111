"""What is said to a configuration before a run of it is queued, beyond what its own fields say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.services import open_services


def test_a_tracker_that_is_not_installed_is_refused_beside_its_field(
    home: Home, tiny_model_folder: Path, tiny_dataset_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.services.find_spec", lambda name: None if name == "mlflow" else object())
    data = {"dataset": str(tiny_dataset_file), "max_length": 64}
    fields: dict[str, Any] = {"base_model": f"folder:{tiny_model_folder}", "data": data}
    with open_services(home) as services:
        services.prepare(RunConfig.parse(fields | {"training": {"trackers": ["tensorboard"]}}))
        with pytest.raises(WorkbenchError) as refused:
            services.submit(RunConfig.parse(fields | {"training": {"trackers": ["tensorboard", "mlflow"]}}))
        assert not services.runs.list("is:any")
    (problem,) = refused.value.problems
    assert (problem.field, problem.message) == ("training.trackers", "mlflow is not installed.")
    assert "pip install mlflow" in problem.remedy


@pytest.mark.parametrize(
    ("change", "field", "was"),
    [
        ({"method.rank": 2}, "method.rank", "4"),
        ({"method.target_modules": ["q_proj"]}, "method.target_modules", "all-linear"),
        ({"method.kind": "dora"}, "method.kind", "lora"),
    ],
)
def test_what_cannot_be_continued_is_refused_beside_the_field_that_was_changed(
    home: Home, tiny_model_folder: Path, tiny_dataset_file: Path, change: dict[str, Any], field: str, was: str
) -> None:
    data = {"dataset": str(tiny_dataset_file), "max_length": 64}
    fields = {"base_model": f"folder:{tiny_model_folder}", "data": data, "method": {"kind": "lora", "rank": 4}}
    with open_services(home) as services:
        services.runs.set_queue(paused=True)
        first = services.submit(RunConfig.parse(fields))
        with pytest.raises(WorkbenchError) as refused:
            services.go_on(first.id, change)
        assert len(services.runs.list("is:any")) == 1
        with pytest.raises(WorkbenchError, match="saved nothing"):  # it fits: only there is nothing yet
            services.go_on(first.id, {"method.alpha": 8, "training.learning_rate": 1e-5})
    (problem,) = refused.value.problems
    assert problem.field == field
    assert was in problem.message
