"""The datasets of a home: each file once, by the hash of its content, original and ingested rows side by side.

A dataset is a folder: ``original`` byte for byte, ``rows.arrow`` with what can be trained on, ``problems.jsonl`` with
every fault, ``report.json`` with the counts, and ``dataset.json``, written last.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.data.arrow import Conversations, RowWriter
from workbench.data.examination import Report, examine
from workbench.data.samples import sample
from workbench.errors import WorkbenchError
from workbench.formats import FORMATS
from workbench.home import Home
from workbench.records import Conversation, Dataset, RowProblem

_FIELD = "data.dataset"
_ID = re.compile("[0-9a-f]{16}")
_SAMPLE = "sample:"
_NAME_LENGTH = 200


class DatasetLibrary:
    """What can be trained on; shared by server, command line and workers over one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def add(self, path: Path, *, name: str = "", source: str = "", licence: str = "") -> Dataset:
        """The dataset with the content of the file at `path`, ingested unless it is here already.

        Raises `WorkbenchError` with every fault when no row of it can be trained on.
        """
        with _readable(path):
            identity = content_hash(path)
            if self._has(identity):
                return self.get(identity)
            with self._new_folder() as folder:
                shutil.copyfile(path, folder / "original")
                report = _ingest(folder, path.name)
                if report.format is None:
                    raise report.refusal()
                dataset = Dataset(
                    id=identity,
                    name=_shown_name(name or path.name),
                    format=report.format,
                    rows=report.rows,
                    refused=report.refused,
                    bytes=report.bytes,
                    source=source,
                    licence=licence,
                    added=time.time(),
                )
                (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
                (folder / "dataset.json").write_text(dataset.model_dump_json(indent=1), encoding="utf-8")
                self._place(folder, identity)
        return self.get(identity)

    def get(self, id: str) -> Dataset:
        """The dataset `id`; raises `WorkbenchError` when there is none."""
        if not self._has(id):
            raise WorkbenchError(
                f"There is no dataset “{id}” here.", remedy="Choose one of the library, or add the file again."
            )
        return _read(self._folder(id) / "dataset.json")

    def resolve(self, reference: str) -> Dataset:
        """The ingested dataset that `reference` means: ``sample:NAME``, an id, or the path of a file.

        Raises `WorkbenchError` beside ``data.dataset``.
        """
        if reference.startswith(_SAMPLE):
            found = sample(reference.removeprefix(_SAMPLE))
            return self.add(found.path, name=found.name, source=found.source, licence=found.licence)
        if _ID.fullmatch(reference) and self._has(reference):
            return self.get(reference)
        path = Path(reference).expanduser()
        if path.is_file():
            return self.add(path, name=path.name)
        raise WorkbenchError(
            f"There is no dataset “{reference}”, and no file of that name.",
            remedy="Give sample:NAME, the id of a dataset in the library, or the path of a file.",
            field=_FIELD,
        )

    def report(self, id: str) -> Report:
        """What was found when the dataset was ingested: counts of everything, the first problems of each kind."""
        self.get(id)
        return Report.model_validate_json((self._folder(id) / "report.json").read_text(encoding="utf-8"))

    def problems(self, id: str) -> list[RowProblem]:
        """Every problem of the dataset, in the order of its lines."""
        self.get(id)
        with (self._folder(id) / "problems.jsonl").open(encoding="utf-8") as lines:
            return [RowProblem.model_validate_json(line) for line in lines]

    def conversations(self, id: str) -> Sequence[Conversation]:
        """The rows that can be trained on, in file order, memory-mapped."""
        self.get(id)
        return Conversations(self._folder(id) / "rows.arrow")

    def original(self, id: str) -> Path:
        """The file as it was added, byte for byte."""
        self.get(id)
        return self._folder(id) / "original"

    def list(self) -> list[Dataset]:
        """Every dataset, the newest first."""
        found = [_read(path) for path in self._home.datasets.glob("*/dataset.json") if _ID.fullmatch(path.parent.name)]
        return sorted(found, key=lambda dataset: dataset.added, reverse=True)

    def check(self, path: Path, format: str | None = None) -> Report:
        """What the file at `path` holds and what is wrong with it; adds nothing to the library."""
        with _readable(path):
            return examine(path, FORMATS.get(format)() if format else None)

    def _folder(self, id: str) -> Path:
        return self._home.datasets / id

    def _has(self, id: str) -> bool:
        return bool(_ID.fullmatch(id)) and (self._folder(id) / "dataset.json").is_file()

    @contextmanager
    def _new_folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._home.datasets))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, folder: Path, id: str) -> None:
        """Give the finished `folder` its name; whoever was faster with the same content has done the work."""
        try:
            folder.rename(self._folder(id))
        except OSError:
            if not self._has(id):
                raise


def content_hash(path: Path) -> str:
    """The id of a file: the first 16 hex digits of its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _ingest(folder: Path, name: str) -> Report:
    """Read ``original`` in `folder` into ``rows.arrow`` and ``problems.jsonl``."""
    with RowWriter(folder / "rows.arrow") as rows, (folder / "problems.jsonl").open("w", encoding="utf-8") as problems:
        return examine(
            folder / "original",
            name=name,
            on_row=rows.add,
            on_problem=lambda problem: print(problem.model_dump_json(), file=problems),
        )


def _read(path: Path) -> Dataset:
    return Dataset.model_validate_json(path.read_text(encoding="utf-8"))


def _shown_name(name: str) -> str:
    """A name to show: any characters that print, on one line, never a path."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(mark for mark in last if mark.isprintable()).strip()[:_NAME_LENGTH] or "dataset"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say what kept the file at `path` from being read or kept."""
    try:
        yield
    except FileNotFoundError as error:
        raise WorkbenchError(f"There is no file {path}.", remedy="Check the path.", field=_FIELD) from error
    except IsADirectoryError as error:
        raise WorkbenchError(f"{path} is a folder.", remedy="Name a file in it.", field=_FIELD) from error
    except PermissionError as error:
        raise WorkbenchError(f"{path} may not be read.", remedy="Change its permissions.", field=_FIELD) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            "The disk is full: the dataset was not added.", remedy="Free some space and add it again.", field=_FIELD
        ) from error
