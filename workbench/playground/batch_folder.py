"""The folder of one batch: what lies in it under which name. Its one writer is the process that owns the home.

``batch.json`` what was asked, ``prompts.jsonl`` the prompts as they were then, ``answers.jsonl`` a line an answer as
they come, ``scoring.json`` the figures wanted, ``status.json`` where it stands.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from workbench.data.prompts import Prompt
from workbench.playground.batch_records import Batch, BatchAnswer, BatchStatus, Scoring
from workbench.records import Record
from workbench.runs.durable import write_whole

Key = tuple[int, int]
"""Prompt and pane."""


class Standing(Record):
    """Where it stands."""

    status: BatchStatus
    seconds: float = 0.0
    """Of work so far."""
    problem: str = ""
    """Why it stopped by itself."""


class BatchFolder:
    """One batch on disk, its answers kept in memory too; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; raises `OSError` or `ValidationError` when that is no batch."""
        self.path = path
        self.batch = Batch.model_validate_json((path / "batch.json").read_bytes())
        self.prompts = tuple(map(Prompt.model_validate_json, (path / "prompts.jsonl").read_bytes().splitlines()))
        self.scoring = Scoring.model_validate_json((path / "scoring.json").read_bytes())
        self.standing = Standing.model_validate_json((path / "status.json").read_bytes())
        self.answers = _read_answers(path / "answers.jsonl")
        self.edition = 0
        """Counts the answers that came since this was read."""
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path, batch: Batch, prompts: Sequence[Prompt]) -> BatchFolder:
        """A new batch below `folder`; it appears under its name only when it is complete."""
        building = folder / f".new-{batch.id}"
        building.mkdir()
        try:
            lines = "".join(f"{prompt.model_dump_json()}\n" for prompt in prompts)
            (building / "prompts.jsonl").write_text(lines, encoding="utf-8")
            (building / "answers.jsonl").touch()
            (building / "scoring.json").write_text(batch.request.scoring.model_dump_json(), encoding="utf-8")
            running = Standing(status=BatchStatus.RUNNING)
            (building / "status.json").write_text(running.model_dump_json(), encoding="utf-8")
            (building / "batch.json").write_text(batch.model_dump_json(indent=1), encoding="utf-8")
            building.rename(folder / batch.id)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        return cls(folder / batch.id)

    def add(self, answer: BatchAnswer) -> None:
        """Keep `answer`; a later one to the same prompt by the same pane takes its place."""
        with self._lock, (self.path / "answers.jsonl").open("ab") as file:
            file.write(answer.model_dump_json().encode() + b"\n")
            self.answers[answer.row, answer.pane] = answer
            self.edition += 1

    def known(self) -> dict[Key, BatchAnswer]:
        """The answers at this moment."""
        with self._lock:
            return dict(self.answers)

    def stand(self, status: BatchStatus, seconds: float, problem: str = "") -> None:
        """Say where it stands after `seconds` more of work; raises `OSError` when that cannot be written."""
        self.standing = Standing(status=status, seconds=self.standing.seconds + seconds, problem=problem)
        write_whole(self.path / "status.json", self.standing.model_dump_json())

    def score_by(self, scoring: Scoring) -> None:
        """Other figures are wanted."""
        self.scoring = scoring
        write_whole(self.path / "scoring.json", scoring.model_dump_json())


def _read_answers(path: Path) -> dict[Key, BatchAnswer]:
    """The last answer to each; a line that was cut off when the server died is as if it was never written."""
    raw = path.read_bytes()
    if raw and not raw.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
    found: dict[Key, BatchAnswer] = {}
    for line in raw.splitlines():
        try:
            answer = BatchAnswer.model_validate_json(line)
        except ValidationError:
            continue
        found[answer.row, answer.pane] = answer
    return found
