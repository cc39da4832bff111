"""Lets the panes of a batch answer its prompts, many at a time, until all are answered or it is stopped.

Knows nothing of figures. An answer that fails is kept as such and the next one asked; when the engine dies, what it
was answering is asked again, and with that the engine starts anew.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from workbench.engine_process import EngineLostError
from workbench.errors import WorkbenchError
from workbench.playground.batch_folder import BatchFolder, Key
from workbench.playground.batch_records import BatchAnswer, BatchStatus, choice_of
from workbench.playground.records import PaneChoice, Sampling
from workbench.playground.service import Playground
from workbench.records.datasets import Message

IN_FLIGHT = 12
"""Prompts asked at a time by all batches together: fills most of the engine's batch of 16, with room to chat beside."""
TRIES = 4
"""Of one answer, when the engine dies."""
PAUSE_SECONDS = 1.0
"""Before it is asked again."""
PERPLEXITY = "perplexity"


def missing(folder: BatchFolder, *, failed: bool = False) -> list[Key]:
    """What is still to be asked, prompt by prompt so that the table fills row by row; with `failed`, errors again."""
    known = folder.known()
    likelihoods = PERPLEXITY in folder.scoring.metrics
    found = []
    for row, prompt in enumerate(folder.prompts):
        for pane in range(len(folder.batch.request.panes)):
            answer = known.get((row, pane))
            if answer is None or (failed and answer.problem):
                found.append((row, pane))
            elif likelihoods and prompt.reference and not answer.problem:
                unknown = answer.log_likelihood is None and (failed or not answer.unscored)
                found += [(row, pane)] if unknown else []
    return found


class BatchRunner:
    """One attempt at what is missing of a batch."""

    def __init__(
        self, folder: BatchFolder, playground: Playground, places: threading.BoundedSemaphore, tasks: Sequence[Key]
    ) -> None:
        """`places` are shared by all batches: one is held while an answer is written."""
        self.folder = folder
        self._playground = playground
        self._places = places
        self._tasks: Iterator[Key] = iter(tasks)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._paused = BatchStatus.STOPPED
        self._problem = ""
        self._began = time.monotonic()
        self.finished = 0
        """Answers of this attempt."""
        self._threads = [
            threading.Thread(target=self._work, name=f"batch {folder.batch.id}", daemon=True)
            for _ in range(min(IN_FLIGHT, max(1, len(tasks))))
        ]
        self._at_work = len(self._threads)

    def start(self) -> None:
        """Begin; returns at once."""
        self.folder.stand(BatchStatus.RUNNING, 0.0)
        for thread in self._threads:
            thread.start()

    def stop(self, status: BatchStatus = BatchStatus.STOPPED) -> None:
        """End it: answers being written are dropped, and asked again when it goes on."""
        self._paused = status
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not self.working

    @property
    def working(self) -> bool:
        """Whether it has not ended."""
        return self._at_work > 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def _work(self) -> None:
        try:
            while (key := self._next()) is not None:
                with self._places:
                    answer = None if self._stop.is_set() else self._answer(key)
                if answer is not None:
                    self._keep(answer)
        finally:
            self._leave()

    def _keep(self, answer: BatchAnswer) -> None:
        """Answers that cannot be kept are not worth asking for."""
        try:
            self.folder.add(answer)
            self.finished += 1
        except OSError as error:
            self._problem = f"An answer could not be kept: {error.strerror}. Free some space, then go on."
            self.stop()

    def _next(self) -> Key | None:
        with self._lock:
            return None if self._stop.is_set() else next(self._tasks, None)

    def _leave(self) -> None:
        """The last thread says how it ended."""
        with self._lock:
            last = self._at_work == 1
            if last:
                status = self._paused if self._stop.is_set() else BatchStatus.FINISHED
                with contextlib.suppress(OSError):  # it is known in memory; on disk it says running: interrupted
                    self.folder.stand(status, self.seconds, self._problem)
            self._at_work -= 1

    def _answer(self, key: Key) -> BatchAnswer | None:
        """Whatever of an answer is missing; None when the batch was stopped meanwhile."""
        row, pane = key
        known = self.folder.known().get(key)
        try:
            answer = known if known and not known.problem else self._patiently(lambda: self._written(row, pane))
        except WorkbenchError as error:
            return BatchAnswer(row=row, pane=pane, problem=error.message, remedy=error.remedy)
        if answer is None or self._stop.is_set():
            return None
        reference = self.folder.prompts[row].reference
        if PERPLEXITY not in self.folder.scoring.metrics or not reference:
            return answer
        try:
            return self._patiently(lambda: self._scored(answer, reference))
        except WorkbenchError as error:
            return answer.model_copy(update={"unscored": error.message})

    def _patiently(self, act: Callable[[], BatchAnswer | None]) -> BatchAnswer | None:
        """Try again while it is the engine that died; raises the last `WorkbenchError`."""
        for attempt in range(1, TRIES + 1):
            try:
                return act()
            except EngineLostError:
                if attempt == TRIES or self._stop.wait(PAUSE_SECONDS):
                    raise
        return None

    def _written(self, row: int, pane: int) -> BatchAnswer | None:
        choice, messages, sampling = self._asked(row, pane)
        stream = self._playground.stream(choice, choice.base_model, messages, sampling)
        text, last = "", None
        try:
            for last in stream:
                text += last.text
                if self._stop.is_set():
                    return None
        finally:
            stream.close()
        return BatchAnswer(
            row=row,
            pane=pane,
            text=text,
            tokens=last.tokens if last else 0,
            seconds=last.seconds if last else 0.0,
            finish_reason=last.finish_reason if last else None,
            adapter_hash=last.adapter_hash if last else None,
            cut_turns=last.facts.cut_turns if last and last.facts else 0,
        )

    def _scored(self, answer: BatchAnswer, reference: str) -> BatchAnswer:
        choice, messages, _ = self._asked(answer.row, answer.pane)
        score = self._playground.score(choice, choice.base_model, messages, reference, other=None)
        found = {"log_likelihood": -score.nll, "reference_tokens": len(score.tokens), "unscored": ""}
        return answer.model_copy(update=found)

    def _asked(self, row: int, pane: int) -> tuple[PaneChoice, Sequence[Message], Sampling]:
        request = self.folder.batch.request
        asked = request.panes[pane]
        messages = self.folder.prompts[row].messages
        if asked.system.strip() and messages[0].role != "system":
            messages = (Message(role="system", content=asked.system.strip()), *messages)
        return choice_of(asked, request), messages, asked.sampling or request.sampling
