"""What a process imports, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.imports import without


def test_a_package_is_absent_within_and_there_afterwards() -> None:
    sys.modules.pop("this", None)
    with without("this"), pytest.raises(ModuleNotFoundError):
        import this  # noqa: F401
    assert "this" not in sys.modules


def test_a_package_that_is_loaded_stays() -> None:
    import json

    with without("json"):
        assert sys.modules["json"] is json
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("settings", "loaded"),
    [({}, []), ({"quantization": "nf4"}, ["bitsandbytes"]), ({"optimizer": "adamw-8bit"}, ["bitsandbytes"])],
    ids=str,
)
def test_a_worker_loads_what_its_run_needs(settings: dict[str, str], loaded: list[str]) -> None:
    program = (
        "import sys; from workbench.training.__main__ import _worker; "
        "from workbench.training_config import TrainingConfig; "
        f"_worker(TrainingConfig(**{settings!r}), False); "
        "print(*[name for name in ('bitsandbytes', 'datasets', 'scipy') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == loaded


def test_an_adapter_on_plain_layers_does_not_load_those_for_packed_ones() -> None:
    program = (
        "import sys; from pathlib import Path; from training_runs import untrained; "
        "from workbench.config import RunConfig; from workbench.training.adapter import attach; "
        "attach(untrained('llama'), RunConfig.parse({}), Path()); "
        "print('bitsandbytes' in sys.modules)"
    )
    hidden = "from workbench.imports import without\nwith without('bitsandbytes', 'scipy', 'datasets'): import peft\n"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    told = subprocess.run(
        [sys.executable, "-c", hidden + program], capture_output=True, text=True, check=True, env=here
    )
    assert told.stdout.split() == ["False"]
