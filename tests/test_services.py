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
