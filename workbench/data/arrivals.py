"""Files on their way into the library: received, checked in the background, and taken or dropped by the user.

What was found is shown before anything is taken. Each arrival is a folder under the home's uploads, of the same shape
as a dataset's, so that taking it is a rename. Knows no page; one process has the arrivals of a home.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from workbench.data.examination import Report
from workbench.data.files import FileRefused, open_file
from workbench.data.folder import DatasetFolder, Recipe
from workbench.data.hub import download, parse_reference
from workbench.data.ingestion import ingest
from workbench.data.library import DatasetLibrary, content_hash, shown_name
from workbench.data.picking import refused_rows
from workbench.errors import Problem, WorkbenchError
from workbench.formats import Format, Layout
from workbench.formats.wording import excerpt
from workbench.home import Home
from workbench.records import Record
from workbench.records.datasets import Conversation, Dataset, RowProblem

SHOWN_ROWS = 5
"""Rows by which a user sees what the columns hold."""
SHOWN_CHARACTERS = 400


class Arrival(Record):
    """A file on its way, as the page shows it."""

    id: str
    name: str
    stage: Literal["receiving", "fetching", "checking", "checked", "failed"]
    """``checked`` also when nothing in it can be used: the report says so."""
    done: float | None = None
    """Share of the check that is done, 0 to 1."""
    bytes: int = 0
    layout: Layout | None = None
    """As which the user said it is laid out."""
    report: Report | None = None
    problem: str = ""
    """Why it could not be fetched or checked."""
    remedy: str = ""
    dataset: str = ""
    """The dataset in the library that has this very content."""


class Example(Record):
    """One row as a layout reads it."""

    line: int
    columns: dict[str, str]
    """What stands in the file, each value shortened."""
    conversation: Conversation | None
    problems: tuple[RowProblem, ...]


class Arrivals:
    """Every file on its way into one library; safe to use from several threads."""

    def __init__(self, home: Home, library: DatasetLibrary) -> None:
        self._home = home
        self._library = library
        self._arriving: dict[str, _Arriving] = {}
        for left_behind in home.uploads.glob("arrival-*"):
            shutil.rmtree(left_behind, ignore_errors=True)

    def receive(self, name: str, *, source: str = "", licence: str = "") -> tuple[str, Path]:
        """The id of a new arrival, and where its bytes are to be written; `check` goes on from there."""
        arriving = self._new(name, source, licence)
        return arriving.id, arriving.folder.original

    def check(self, id: str, layout: Layout | None = None) -> Arrival:
        """Check what was received, in the background; again when it is to be read as another `layout`."""
        arriving = self._get(id)
        if arriving.busy:
            raise WorkbenchError("The file is being checked.", remedy="Wait until that is done, or cancel it.")
        if layout is not None:
            layout.format()
        arriving.layout = layout
        arriving.begin("checking", lambda: arriving.check(self._library))
        return arriving.shown()

    def fetch(self, reference: str) -> Arrival:
        """Fetch a dataset of the hub and check it, in the background; raises `WorkbenchError` for no reference."""
        wanted = parse_reference(reference)
        arriving = self._new(wanted.title, wanted.link, "")

        def work() -> None:
            download(wanted, arriving.folder.original)
            arriving.stage = "checking"
            arriving.check(self._library)

        arriving.begin("fetching", work)
        return arriving.shown()

    def get(self, id: str) -> Arrival:
        """How far it is; raises `WorkbenchError` when there is none."""
        return self._get(id).shown()

    def examples(self, id: str, layout: Layout | None) -> list[Example]:
        """The first rows as they stand, and as `layout` reads them."""
        return self._get(id).examples(layout)

    def refused(self, id: str) -> Iterator[bytes]:
        """The rows that cannot be used, a line each."""
        return self._get(id).refused()

    def take(self, id: str) -> Dataset:
        """Put its good rows into the library; raises `WorkbenchError` when it has none."""
        arriving = self._get(id)
        dataset = arriving.take(self._library)
        self.drop(id)
        return dataset

    def drop(self, id: str) -> None:
        """Forget it and its files, ending its check."""
        arriving = self._arriving.pop(id, None)
        if arriving is not None:
            arriving.drop()

    def list(self) -> list[Arrival]:
        """All that were neither taken nor dropped."""
        return [arriving.shown() for arriving in tuple(self._arriving.values())]

    def _new(self, name: str, source: str, licence: str) -> _Arriving:
        id = secrets.token_hex(8)
        path = self._home.uploads / f"arrival-{id}"
        path.mkdir()
        arriving = _Arriving(id, DatasetFolder(path), name, source, licence)
        self._arriving[id] = arriving
        return arriving

    def _get(self, id: str) -> _Arriving:
        if id not in self._arriving:
            raise WorkbenchError("This file is not waiting here any more.", remedy="Add it again.")
        return self._arriving[id]


class _Dropped(Exception):
    """The user does not want it any more."""


class _Arriving:
    """One file on its way, with the thread that works on it."""

    def __init__(self, id: str, folder: DatasetFolder, name: str, source: str, licence: str) -> None:
        self.id = id
        self.folder = folder
        self.layout: Layout | None = None
        self.stage: Literal["receiving", "fetching", "checking", "checked", "failed"] = "receiving"
        self._file = name
        self._name = shown_name(name)
        self._source = source
        self._licence = licence
        self._done: float | None = None
        self._report: Report | None = None
        self._problem: Problem | None = None
        self._dataset = ""
        self._thread: threading.Thread | None = None
        self._dropped = False

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, stage: Literal["fetching", "checking"], work: Callable[[], None]) -> None:
        """Do `work` in a thread, and remember what went wrong."""
        self.stage, self._done, self._report, self._problem = stage, None, None, None
        self._thread = threading.Thread(target=self._attempt, args=(work,), name=f"arrival {self.id}", daemon=True)
        self._thread.start()

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _Dropped:
            shutil.rmtree(self.folder.path, ignore_errors=True)
        except WorkbenchError as error:
            self._fail(error.problems[0])
        except OSError as error:
            self._fail(Problem(f"The file could not be kept: {error.strerror}.", "Free some space and add it again."))

    def _fail(self, problem: Problem) -> None:
        self._problem = problem
        self.stage = "failed"

    def check(self, library: DatasetLibrary) -> None:
        """Read the file whole, unless its content is in the library already."""
        known = library.find(content_hash(self.folder.original, self.layout))
        self._dataset = known.id if known else ""
        self._report = library.report(known.id) if known else ingest(self.folder, self._recipe(), self._progress)
        self.stage = "checked"

    def _recipe(self) -> Recipe:
        return Recipe(file=self._file, layout=self.layout)

    def _progress(self, done: float) -> None:
        if self._dropped:
            raise _Dropped
        self._done = done

    def examples(self, layout: Layout | None) -> list[Example]:
        chosen = layout.format() if layout else None
        try:
            with open_file(self.folder.original, self._file, lambda problem: None) as file:
                rows = ((line, row) for line, row, _ in file.rows if isinstance(row, dict))
                return [_example(row, line, chosen) for line, row in islice(rows, SHOWN_ROWS)]
        except FileRefused:
            return []

    def refused(self) -> Iterator[bytes]:
        if self._report is None or self._dataset:
            return iter(())
        lines = {problem.line for problem in self.folder.problems() if problem.severity == "error" and problem.line}
        return refused_rows(self.folder.original, self._file, lines) if lines else iter(())

    def take(self, library: DatasetLibrary) -> Dataset:
        if self.stage != "checked" or self._report is None:
            raise WorkbenchError("The file was not checked yet.", remedy="Wait until the check is done.")
        if self._dataset:
            return library.get(self._dataset)
        return library.take(
            self.folder, self._recipe(), self._report, name=self._name, source=self._source, licence=self._licence
        )

    def drop(self) -> None:
        self._dropped = True
        shutil.rmtree(self.folder.path, ignore_errors=True)

    def shown(self) -> Arrival:
        """How far it is."""
        original = self.folder.original
        return Arrival(
            id=self.id,
            name=self._name,
            stage=self.stage,
            done=self._done,
            bytes=original.stat().st_size if original.exists() else 0,
            layout=self.layout,
            report=self._report,
            problem=self._problem.message if self._problem else "",
            remedy=self._problem.remedy if self._problem else "",
            dataset=self._dataset,
        )


def _example(row: dict[str, Any], line: int, layout: Format | None) -> Example:
    reading = layout.read(row, line) if layout else None
    return Example(
        line=line,
        columns={excerpt(name): _shown_value(value) for name, value in row.items()},
        conversation=reading.conversation if reading else None,
        problems=tuple(reading.problems) if reading else (),
    )


def _shown_value(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text[:SHOWN_CHARACTERS].encode("utf-8", "replace").decode() + ("…" if len(text) > SHOWN_CHARACTERS else "")
