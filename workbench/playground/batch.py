"""Batches: many prompts put to several models at once, their answers kept and measured.

The state of a batch is its folder under the home; a page or a command that goes away takes nothing with it.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections import OrderedDict
from pathlib import Path

from pydantic import ValidationError

from workbench.data import DatasetLibrary
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground.batch_figures import Scorer, checked_scoring
from workbench.playground.batch_folder import BatchFolder
from workbench.playground.batch_records import (
    Batch,
    BatchFigures,
    BatchPane,
    BatchRequest,
    BatchState,
    BatchStatus,
    Scoring,
)
from workbench.playground.batch_runner import IN_FLIGHT, BatchRunner, missing
from workbench.playground.prompt_files import PromptSources
from workbench.playground.report import EXPORTS
from workbench.playground.service import Playground
from workbench.playground.speed import tokens_per_second
from workbench.runs import Runs
from workbench.runs.folder import new_id

MOST_IN_MEMORY = 6
CLOSE_SECONDS = 5.0
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class _Open:
    """A batch in memory."""

    def __init__(self, folder: BatchFolder) -> None:
        self.folder = folder
        self.scorer = Scorer(folder)
        self.runner: BatchRunner | None = None

    @property
    def working(self) -> bool:
        return self.runner is not None and self.runner.working


class Batches:
    """The batches of a home; safe to use from several threads of its owner."""

    def __init__(self, home: Home, library: DatasetLibrary, runs: Runs, playground: Playground) -> None:
        self.sources = PromptSources(home, library, runs)
        self._home = home
        self._playground = playground
        self._places = threading.BoundedSemaphore(IN_FLIGHT)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.RLock()

    def begin(self, request: BatchRequest) -> BatchState:
        """Start a batch; raises `WorkbenchError` beside the field that is wrong, and writes nothing then."""
        panes = _with_base(request.panes, request.base_model)
        found, source = self.sources.read(request.source)
        prompts = found.prompts[: request.limit]
        references = sum(prompt.reference is not None for prompt in prompts)
        scoring = checked_scoring(request.scoring, references)
        batch = Batch(
            id=new_id(),
            created=time.time(),
            request=request.model_copy(update={"panes": panes, "scoring": scoring}),
            source=source,
            prompts=len(prompts),
            references=references,
        )
        with self._lock:
            opened = self._keep(_Open(BatchFolder.create(self._home.batches, batch, prompts)))
            self._run(opened, failed=False)
        return self.get(batch.id)

    def list(self) -> list[BatchState]:
        """Every batch, the newest first."""
        ids = [path.name for path in self._home.batches.iterdir() if _ID.fullmatch(path.name)]
        states = [state for id in ids if (state := self._readable(id)) is not None]
        return sorted(states, key=lambda state: state.batch.created, reverse=True)

    def get(self, id: str) -> BatchState:
        """How far it is; raises `WorkbenchError` when there is none."""
        opened = self._opened(id)
        folder, runner = opened.folder, opened.runner
        answers = folder.known()
        total = len(folder.prompts) * len(folder.batch.request.panes)
        working = opened.working
        seconds = folder.standing.seconds + (runner.seconds if runner and working else 0.0)
        pending = len(missing(folder))
        pace = runner.finished / runner.seconds if runner and working and runner.finished else None
        written = sum(answer.tokens for answer in answers.values())
        return BatchState(
            batch=folder.batch,
            scoring=folder.scoring,
            status=_status(folder, working),
            done=len(answers),
            total=total,
            errors=sum(bool(answer.problem) for answer in answers.values()),
            missing=pending,
            seconds=seconds,
            seconds_left=pending / pace if pace else None,
            tokens_per_second=tokens_per_second(written, seconds),
            problem=folder.standing.problem,
        )

    def folder(self, id: str) -> BatchFolder:
        """Its prompts and answers."""
        return self._opened(id).folder

    def scorer(self, id: str) -> Scorer:
        """Computes its figures."""
        return self._opened(id).scorer

    def figures(self, id: str) -> BatchFigures:
        """What its answers come to; significance when it is not being worked on."""
        opened = self._opened(id)
        return opened.scorer.figures(differing=not opened.working)

    def report(self, id: str, ending: str) -> str:
        """Written as the file that ends in ``csv``, ``jsonl`` or ``md``."""
        _, write = EXPORTS[ending]
        return "".join(write(self.folder(id), self.scorer(id), self.figures(id)))

    def score_by(self, id: str, scoring: Scoring) -> BatchState:
        """Have other figures; a likelihood that is newly wanted is asked when the batch goes on."""
        with self._lock:
            opened = self._opened(id)
            opened.folder.score_by(checked_scoring(scoring, opened.folder.batch.references))
            opened.scorer = Scorer(opened.folder)
        return self.get(id)

    def stop(self, id: str) -> BatchState:
        """End it; what is answered stays."""
        runner = self._opened(id).runner
        if runner is not None and runner.working:
            runner.stop()
            runner.wait(CLOSE_SECONDS)
        return self.get(id)

    def resume(self, id: str, *, failed: bool = False) -> BatchState:
        """Go on with what is missing; with `failed`, try failed answers again too."""
        with self._lock:
            opened = self._opened(id)
            if opened.working:
                raise WorkbenchError("This batch is being worked on.", remedy="Wait until it is done, or stop it.")
            self._run(opened, failed=failed)
        return self.get(id)

    def remove(self, id: str) -> None:
        """Forget it with its answers; raises `WorkbenchError` while it is being worked on."""
        with self._lock:
            opened = self._opened(id)
            if opened.working:
                raise WorkbenchError("This batch is being worked on.", remedy="Stop it first.")
            del self._open[id]
            shutil.rmtree(opened.folder.path)

    def close(self) -> None:
        """End everything; batches that were being worked on can go on later."""
        with self._lock:
            runners = [opened.runner for opened in self._open.values() if opened.runner and opened.working]
        for runner in runners:
            runner.stop(BatchStatus.INTERRUPTED)
        until = time.monotonic() + CLOSE_SECONDS
        for runner in runners:
            runner.wait(max(0.0, until - time.monotonic()))

    def _run(self, opened: _Open, *, failed: bool) -> None:
        opened.runner = BatchRunner(
            opened.folder, self._playground, self._places, missing(opened.folder, failed=failed)
        )
        opened.runner.start()

    def _opened(self, id: str) -> _Open:
        with self._lock:
            if id in self._open:
                self._open.move_to_end(id)
                return self._open[id]
            path = self._home.batches / id
            if not _ID.fullmatch(id) or not path.is_dir():
                raise WorkbenchError(f"There is no batch “{id}”.", remedy="Look at the list of batches.")
            return self._keep(_Open(_read(path)))

    def _keep(self, opened: _Open) -> _Open:
        """Remember it, and forget those that nobody asked for lately."""
        self._open[opened.folder.batch.id] = opened
        idle = [id for id, other in self._open.items() if not other.working and other is not opened]
        for id in idle[: max(0, len(self._open) - MOST_IN_MEMORY)]:
            del self._open[id]
        return opened

    def _readable(self, id: str) -> BatchState | None:
        try:
            return self.get(id)
        except WorkbenchError:
            return None


def _read(path: Path) -> BatchFolder:
    try:
        return BatchFolder(path)
    except (OSError, ValidationError) as error:
        raise WorkbenchError(f"The batch {path.name} cannot be read.", remedy=f"Delete its folder, {path}.") from error


def _status(folder: BatchFolder, working: bool) -> BatchStatus:
    """A batch that says it is running while nobody works on it was left by a server that died."""
    if working:
        return BatchStatus.RUNNING
    status = folder.standing.status
    return BatchStatus.INTERRUPTED if status == BatchStatus.RUNNING else status


def _with_base(panes: tuple[BatchPane, ...], base_model: str) -> tuple[BatchPane, ...]:
    """The base model first, whether it was asked for or not; each other one once."""
    panes = tuple(
        pane.model_copy(update={"base_model": ""}) if pane.base_model == base_model else pane for pane in panes
    )
    base = next((pane for pane in panes if pane.is_base), BatchPane(label="Base model"))
    others = dict.fromkeys(pane for pane in panes if pane != base)
    return (base, *others)
