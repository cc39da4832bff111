"""The supervisor: one thread that starts workers in the order of the queue and notices how each of them ends.

It is the only writer of the index, of ``supervisor.jsonl`` and of the queue: whoever wants something changed hands it
a function with `ask`. Its memory is the folders: a supervisor that starts finds the workers of the one before it.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records.runs import RunStatus
from workbench.runs import history
from workbench.runs.catalogue import Catalogue
from workbench.runs.executor import Executor
from workbench.runs.farewell import obituary
from workbench.runs.folder import RunFolder
from workbench.runs.history import Worker
from workbench.runs.lanes import Lane
from workbench.runs.lock import locked
from workbench.runs.process import lives
from workbench.runs.queue import Queue
from workbench.runs.room import Room
from workbench.runs.summary import attempt, ending
from workbench.runs.watch import Patience, Watch

T = TypeVar("T")
log = logging.getLogger(__name__)


class Supervisor(threading.Thread):
    """`start` it once; `close` ends it and leaves the workers alone."""

    def __init__(
        self,
        home: Home,
        catalogue: Catalogue,
        executor: Executor,
        patience: Patience,
        lanes: Sequence[Lane],
        room: Room,
    ) -> None:
        super().__init__(name="supervisor", daemon=True)
        self.waiting = Queue(home.queue)
        self._catalogue = catalogue
        self._executor = executor
        self._patience = patience
        self._lanes = tuple(lanes)
        self._room = room
        self._watches: dict[str, Watch] = {}
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._scanned = 0.0
        self._damaged = threading.Event()

    # --- what others call ---

    def ask(self, change: Callable[[], T]) -> T:
        """Run `change` in the supervisor's thread and return what it returns or raise what it raises."""
        if not self.is_alive() or threading.current_thread() is self:
            return change()
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(change())
            except BaseException as error:  # noqa: BLE001 — handed to whoever asked, who raises it
                answer.set_exception(error)

        self._asked.put(run)
        return answer.result()

    def close(self) -> None:
        """End the thread; workers go on."""
        if self.is_alive():
            self._asked.put(None)
            self.join()

    def working(self, run_id: str) -> bool:
        """Whether the process of a worker of this run is still there. To be called within `ask`."""
        return run_id in self._watches

    def kill(self, run_id: str) -> None:
        """End the worker of a run this instant. To be called within `ask`."""
        watch = self._watches.get(run_id)
        if watch is not None:
            watch.killed = True
            self._executor.signal(watch.worker, "SIGKILL")

    def index_is_damaged(self) -> None:
        """To be called by a reader that met it; the index is made again at the next tick."""
        self._damaged.set()

    # --- the thread ---

    def run(self) -> None:
        self._guarded(self._begin)
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                self._guarded(self._tick)
                due = time.monotonic() + self._patience.tick
            try:
                change = self._asked.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                continue
            if change is None:
                return
            change()

    def _guarded(self, work: Callable[[], Any]) -> None:
        """The thread outlives a full disk, a damaged index and a folder that cannot be read; it tries again."""
        try:
            work()
        except (OSError, WorkbenchError, sqlite3.OperationalError):
            log.exception("The supervisor could not do its work; it tries again.")
        except sqlite3.DatabaseError:
            log.exception("The index is damaged and is made again.")
            self._repair()

    def _repair(self) -> None:
        try:
            self._catalogue.rebuild(damaged=True)
        except (OSError, sqlite3.DatabaseError):
            log.exception("The index could not be made again; it is tried again.")
            self._damaged.set()

    def _begin(self) -> None:
        """Find the workers of an earlier supervisor, and bring the queue in line with the folders."""
        queued = [run_id for run_id in sorted(self._catalogue.run_ids()) if self._waits(run_id)]
        self.waiting.reconcile(queued)

    def _notice_folders(self) -> None:
        """Folders that came from elsewhere are waited for and watched like those that were here at the start."""
        self._catalogue.repair_if_lost()
        for run_id in sorted(self._catalogue.notice_folders()):
            if self._waits(run_id):
                self.waiting.add(run_id)
        self._scanned = time.monotonic()

    def _waits(self, run_id: str) -> bool:
        """Whether a run is to be queued; if it is not, its worker is watched, should there be one."""
        if self._catalogue.status(run_id) is RunStatus.QUEUED:
            return True
        if run_id not in self._watches:
            self._take_up(run_id)
        return False

    def _take_up(self, run_id: str) -> None:
        """Watch the worker of a run's newest attempt if there is, or should be, one."""
        launched = attempt(self._catalogue.history(run_id))
        if launched is None:
            return
        running = self._catalogue.status(run_id).active
        if running or self._executor.alive(launched.worker):
            self._watches[run_id] = Watch(launched.worker, self._patience, launched.lane)

    def _tick(self) -> None:
        if self._damaged.is_set():
            self._damaged.clear()
            raise sqlite3.DatabaseError("a reader found it damaged")
        for run_id in tuple(self._watches):
            self._guarded(partial(self._look_at, run_id, self._watches[run_id]))
        self._start_next()
        if time.monotonic() - self._scanned > self._patience.scan:
            self._notice_folders()

    # --- one worker ---

    def _look_at(self, run_id: str, watch: Watch) -> None:
        folder = self._catalogue.folder(run_id)
        alive = self._executor.alive(watch.worker)  # before its events are read: a dead worker writes no more
        heart = folder.heartbeat()
        self._catalogue.refresh(run_id, watch.look(heart))
        if not alive:
            self._bury(run_id, folder, watch)
            return
        written = self._catalogue.history(run_id)
        words = attempt(written) is None or ending(written, self._catalogue.progress(run_id)) is not None
        due = watch.overdue(stopping=folder.stop_requested(), words=words, heart=heart)
        if due is not None:
            name, message = due
            self._note(run_id, history.Signalled(time=time.time(), signal=name, message=message))
            self._executor.signal(watch.worker, name)

    def _bury(self, run_id: str, folder: RunFolder, watch: Watch) -> None:
        """The worker is gone: if it said nothing, say why as far as can be known.

        It is watched until that is written down: on a full disk this is tried again.
        """
        progress = self._catalogue.progress(run_id)
        launched = attempt(self._catalogue.history(run_id))
        if launched is not None and ending(self._catalogue.history(run_id), progress) is None:
            other = self._other_worker(folder, watch.worker)
            if other is not None:
                self._adopt(run_id, other, watch.lane)
                return
            folder.clear_stop()
            code = self._executor.exit_code(watch.worker)
            self._note(run_id, obituary(folder, code, began=progress.seq > launched.after))
        self._executor.signal(watch.worker, "SIGKILL")  # takes along what it started and left behind
        folder.clear_stop()
        del self._watches[run_id]

    def _other_worker(self, folder: RunFolder, known: Worker | None) -> Worker | None:
        """The worker that holds the run's lock and was started by a server that could not write it down."""
        heart = folder.heartbeat()
        if heart is None or not locked(folder) or not lives(heart.pid, heart.mark):
            return None
        if known is not None and known.pid == heart.pid:
            return None
        kind = known.executor if known is not None else getattr(self._executor, "kind", "local")
        return Worker(executor=kind, pid=heart.pid, mark=heart.mark, host=heart.host)

    def _adopt(self, run_id: str, worker: Worker, lane: str) -> None:
        words = self._catalogue.progress(run_id).ending
        after = words.seq if words is not None else 0
        self._note(run_id, history.Launched(time=time.time(), worker=worker, after=after, lane=lane))
        self._watches[run_id] = Watch(worker, self._patience, lane)

    # --- the next one ---

    def _start_next(self) -> None:
        """Fill the free lanes with what waits, in its order; the first that has to wait holds up those behind it."""
        state = self.waiting.state()
        if state.paused:
            return
        for run_id in state.ids:
            busy = Counter(watch.lane for watch in self._watches.values())
            free = [lane for lane in self._lanes if busy[lane.name] < state.slots]
            emptiest = sorted(free, key=lambda lane: busy[lane.name])
            lane = next((lane for lane in emptiest if not busy[lane.name] or self._fits(run_id, lane)), None)
            if lane is None:
                return
            self._start(run_id, lane)

    def _fits(self, run_id: str, lane: Lane) -> bool:
        """Whether a run fits beside those at work on `lane`, by their estimates."""
        others, taken = self._at_work(lane)
        return self._room.fits(self._catalogue.folder(run_id).config, others, lane.name, taken)

    def _at_work(self, lane: Lane) -> tuple[list[RunConfig], int]:
        """The configs of the runs on `lane`, and the bytes that their processes hold."""
        others = {other: watch for other, watch in self._watches.items() if watch.lane == lane.name}
        configs = [self._catalogue.folder(other).config for other in others]
        return configs, sum(watch.memory or 0 for watch in others.values())

    def _start(self, run_id: str, lane: Lane) -> None:
        """Start the worker of a queued run on `lane`, unless one is at it already."""
        folder = self._catalogue.folder(run_id)
        if not folder.config_file.exists() or self._catalogue.status(run_id) is not RunStatus.QUEUED:
            self.waiting.remove(run_id)
            return
        if run_id in self._watches:  # its last worker is still on its way out
            return
        if locked(folder):
            other = self._other_worker(folder, None)
            if other is not None:
                self._adopt(run_id, other, lane.name)
                self.waiting.remove(run_id)
            return
        folder.clear_stop()
        others, taken = self._at_work(lane)
        self._room.make_way(folder.config, others, lane.name, taken)
        after = self._catalogue.progress(run_id).seq
        try:
            worker = self._executor.start(folder, lane.environment)
        except OSError as error:
            self._refuse(run_id, f"The worker could not be started: {error}.")
            return
        self._watches[run_id] = Watch(worker, self._patience, lane.name)
        try:
            self._note(run_id, history.Launched(time=time.time(), worker=worker, after=after, lane=lane.name))
        except OSError:  # nobody would find it again, and a disk so full lets it do nothing
            self._executor.signal(worker, "SIGKILL")
            del self._watches[run_id]
            raise
        self.waiting.remove(run_id)

    def _refuse(self, run_id: str, message: str) -> None:
        nobody = Worker(executor="none", pid=0, mark="", host="")
        after = self._catalogue.progress(run_id).seq
        self._note(run_id, history.Launched(time=time.time(), worker=nobody, after=after, lane="none"))
        remedy = "Free memory and disk space, then resume it."
        self._note(run_id, history.Interrupted(time=time.time(), message=message, remedy=remedy))
        self.waiting.remove(run_id)

    def _note(self, run_id: str, entry: history.Entry) -> None:
        history.append(self._catalogue.folder(run_id).history_file, entry)
        self._catalogue.refresh(run_id)
