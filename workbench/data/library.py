"""The datasets of a home: each content once, under its hash, with the original beside the ingested rows.

Knows which datasets there are and how one becomes another; what lies in one's folder is known to `folder`.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.data.arrow import Conversations
from workbench.data.editing import Join, Step
from workbench.data.examination import Progress, Report, examine
from workbench.data.folder import DatasetFolder, Recipe
from workbench.data.hub import HubDataset, download, parse_reference
from workbench.data.ingestion import ingest, rewrite
from workbench.data.picking import refused_rows
from workbench.data.samples import sample
from workbench.data.users import DatasetUsers
from workbench.errors import WorkbenchError
from workbench.formats import Layout
from workbench.home import Home
from workbench.records.datasets import Dataset, RowProblem

_FIELD = "data.dataset"
_ID = re.compile("[0-9a-f]{16}")
_SAMPLE = "sample:"
_NAME_LENGTH = 200


class DatasetLibrary:
    """What can be trained on; shared by server, command line and workers over one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._users = DatasetUsers(home)

    def add(
        self,
        path: Path,
        *,
        name: str = "",
        source: str = "",
        licence: str = "",
        layout: Layout | None = None,
        progress: Progress = lambda done: None,
    ) -> Dataset:
        """The dataset with the content of the file at `path`, ingested unless it is here already.

        Raises `WorkbenchError` with every fault when no row of it can be trained on.
        """
        with _readable(path):
            known = self.find(content_hash(path, layout))
            if known is not None:
                return known
            recipe = Recipe(file=name if Path(name).suffix else path.name, layout=layout)
            with self._new_folder() as folder:
                shutil.copyfile(path, folder.original)
                report = ingest(folder, recipe, progress)
                return self.take(folder, recipe, report, name=name or path.name, source=source, licence=licence)

    def take(
        self, folder: DatasetFolder, recipe: Recipe, report: Report, *, name: str, source: str = "", licence: str = ""
    ) -> Dataset:
        """The dataset that `folder`, ingested as `report` says, becomes; the folder moves into the library.

        Raises `WorkbenchError` with every fault when no row of it can be trained on.
        """
        if report.format is None:
            raise report.refusal()
        identity = content_hash(folder.original, recipe.layout)
        dataset = self._described(identity, shown_name(name), report)
        folder.finish(dataset.model_copy(update={"source": source, "licence": licence}), report, recipe)
        self._place(folder, identity)
        return self.get(identity)

    def find(self, id: str) -> Dataset | None:
        """The dataset `id`, if it is here."""
        return self.get(id) if self._has(id) else None

    def get(self, id: str) -> Dataset:
        """The dataset `id`; raises `WorkbenchError` when there is none."""
        return self._folder(id).dataset()

    def resolve(self, reference: str) -> Dataset:
        """The ingested dataset that `reference` means: ``sample:NAME``, ``hub:org/name``, an id, or a path.

        Raises `WorkbenchError` beside ``data.dataset``.
        """
        if reference.startswith(_SAMPLE):
            found = sample(reference.removeprefix(_SAMPLE))
            return self.add(found.path, name=found.name, source=found.source, licence=found.licence)
        if reference.startswith("hub:"):
            return self._from_hub(parse_reference(reference))
        if self._has(reference):
            return self.get(reference)
        path = Path(reference).expanduser()
        if path.is_file():
            return self.add(path, name=path.name)
        raise WorkbenchError(
            f"There is no dataset “{reference}”, and no file of that name.",
            remedy="Give sample:NAME, hub:org/name, the id of a dataset in the library, or the path of a file.",
            field=_FIELD,
        )

    def report(self, id: str) -> Report:
        """What was found when the dataset was ingested: counts of everything, the first problems of each kind."""
        return self._folder(id).report()

    def problems(self, id: str) -> list[RowProblem]:
        """Every problem of the dataset, in the order of its lines."""
        return list(self._folder(id).problems())

    def conversations(self, id: str) -> Conversations:
        """The rows that can be trained on, in file order, memory-mapped."""
        return self._folder(id).conversations()

    def original(self, id: str) -> Path:
        """The file as it was added, byte for byte; of an edited dataset the file it began with."""
        folder = self._folder(id)
        parent = folder.dataset().parent
        return self.original(parent) if parent else folder.original

    def recipe(self, id: str) -> Recipe:
        """How the dataset came about: name of the file, layout, edits."""
        return self._folder(id).recipe()

    def refused(self, id: str) -> Iterator[bytes]:
        """The rows that were refused, a line each, as a file that can be corrected and added again."""
        folder = self._folder(id)
        lines = {problem.line for problem in folder.problems() if problem.severity == "error" and problem.line}
        return refused_rows(folder.original, folder.recipe().file, lines) if lines else iter(())

    def edit(self, id: str, step: Step) -> Dataset:
        """The dataset after one more edit, as a dataset of its own; raises `WorkbenchError` when no row is left."""
        before = self._folder(id)
        other = self._folder(step.dataset) if isinstance(step, Join) else None
        identity = hashlib.sha256(f"{id}\n{step.model_dump_json()}".encode()).hexdigest()[:16]
        if self._has(identity):
            return self.get(identity)
        parent, recipe = before.dataset(), before.recipe()
        recipe = recipe.model_copy(update={"steps": (*recipe.steps, step)})
        with _readable(before.path), self._new_folder() as folder:
            report = rewrite(folder, recipe, before, other)
            if not report.rows:
                raise WorkbenchError(f"No row is left: {step.sentence}.", remedy="Choose otherwise.", field=_FIELD)
            dataset = self._described(identity, parent.name, report).model_copy(
                update={
                    "source": parent.source,
                    "licence": parent.licence,
                    "parent": id,
                    "steps": tuple(done.sentence for done in recipe.steps),
                }
            )
            folder.finish(dataset, report, recipe)
            self._place(folder, identity)
        return self.get(identity)

    def undo(self, id: str) -> Dataset:
        """The dataset before its last edit; raises `WorkbenchError` when it has none."""
        parent = self.get(id).parent
        if not parent:
            raise WorkbenchError("This dataset is a file as it was added; there is no edit to undo.")
        return self.get(parent)

    def used_by(self, id: str) -> list[str]:
        """The runs that name the dataset in their config, and the datasets that were made from it."""
        made = [found.id for found in self.list() if found.parent == id]
        return [*(f"run {run}" for run in self.users().get(id, ())), *(f"dataset {child}" for child in made)]

    def users(self) -> dict[str, list[str]]:
        """The runs that name a dataset in their config, by its id."""
        return self._users.runs()

    def remove(self, id: str) -> None:
        """Forget the dataset and its files; raises `WorkbenchError` while a run or another dataset needs it."""
        folder = self._folder(id)
        users = self.used_by(id)
        if users:
            raise WorkbenchError(
                f"“{folder.dataset().name}” is still needed by {', '.join(users[:5])}.", remedy="Delete those first."
            )
        shutil.rmtree(folder.path)

    def check(self, path: Path, layout: Layout | str | None = None, progress: Progress = lambda done: None) -> Report:
        """What the file at `path` holds and what is wrong with it; adds nothing to the library."""
        chosen = Layout(kind=layout) if isinstance(layout, str) else layout
        with _readable(path):
            return examine(path, chosen.format() if chosen else None, progress=progress)

    def list(self) -> list[Dataset]:
        """Every dataset, the newest first."""
        folders = [DatasetFolder(path) for path in self._home.datasets.iterdir() if _ID.fullmatch(path.name)]
        found = [folder.dataset() for folder in folders if folder.exists()]
        return sorted(found, key=lambda dataset: dataset.added, reverse=True)

    def _from_hub(self, wanted: HubDataset) -> Dataset:
        with tempfile.TemporaryDirectory(dir=self._home.uploads) as folder:
            path = Path(folder) / "rows.jsonl"
            download(wanted, path)
            return self.add(path, name=wanted.title, source=wanted.link)

    def _folder(self, id: str) -> DatasetFolder:
        if not self._has(id):
            raise WorkbenchError(
                f"There is no dataset “{id}” here.", remedy="Choose one of the library, or add the file again."
            )
        return DatasetFolder(self._home.datasets / id)

    def _has(self, id: str) -> bool:
        return bool(_ID.fullmatch(id)) and DatasetFolder(self._home.datasets / id).exists()

    def _described(self, id: str, name: str, report: Report) -> Dataset:
        versions = [found.version for found in self.list() if found.name == name]
        return Dataset(
            id=id,
            name=name,
            format=report.format or "",
            rows=report.rows,
            refused=report.refused,
            bytes=report.bytes,
            added=time.time(),
            version=max(versions, default=0) + 1,
        )

    @contextmanager
    def _new_folder(self) -> Iterator[DatasetFolder]:
        path = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._home.datasets))
        try:
            yield DatasetFolder(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _place(self, folder: DatasetFolder, id: str) -> None:
        """Give the finished `folder` its name; whoever was faster with the same content has done the work."""
        try:
            folder.path.rename(self._home.datasets / id)
        except OSError:
            if not self._has(id):
                raise


def content_hash(path: Path, layout: Layout | None = None) -> str:
    """The id of a file: the first 16 hex digits of its SHA-256, of which a chosen layout is a part."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if layout is not None:
        digest.update(layout.model_dump_json().encode())
    return digest.hexdigest()[:16]


def shown_name(name: str) -> str:
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
