"""Prompt files that were received and wait to be asked; and the prompts of every source by its name."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

from pydantic import Field

from workbench.data import DatasetLibrary
from workbench.data.library import shown_name
from workbench.data.partition import partition
from workbench.data.prompts import Prompt, PromptColumns, PromptsFound, prompts_of, read_prompts
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground.batch_records import PromptSource
from workbench.playground.labels import labels_in
from workbench.records import Record
from workbench.runs import Runs

SHOWN_PROMPTS = 3
MOST_FILES = 20
"""Received files that are kept; the oldest goes first."""
_ID = re.compile("[0-9a-f]{16}")


class PromptsShown(Record):
    """What a source holds, before anything is asked."""

    id: str
    """Of a received file; else what the source is called."""
    name: str
    read_as: str
    columns: tuple[str, ...]
    prompts: int
    references: int
    labels: tuple[str, ...]
    """Where the references are few distinct labels."""
    skipped: int
    beyond: bool
    """Whether there are more than are taken."""
    unclear: bool
    """Whether a column has to be chosen first."""
    first: tuple[Prompt, ...] = Field(max_length=SHOWN_PROMPTS)


class PromptSources:
    """Reads prompts wherever they are."""

    def __init__(self, home: Home, library: DatasetLibrary, runs: Runs) -> None:
        self._home = home
        self._library = library
        self._runs = runs

    def receive(self, name: str) -> tuple[str, Path]:
        """The id of a new prompt file, and where its bytes are to be written."""
        self._sweep()
        id = secrets.token_hex(8)
        folder = self._folder(id)
        folder.mkdir()
        (folder / "name").write_text(shown_name(name), encoding="utf-8")
        return id, folder / "original"

    def drop(self, id: str) -> None:
        """Forget a received file."""
        shutil.rmtree(self._folder(id), ignore_errors=True)

    def shown(self, source: PromptSource) -> PromptsShown:
        """What is in `source`; raises `WorkbenchError` beside the field that is wrong."""
        found, name = self._read(source)
        return PromptsShown(
            id=source.id,
            name=name,
            read_as=found.read_as,
            columns=found.columns,
            prompts=len(found.prompts),
            references=sum(prompt.reference is not None for prompt in found.prompts),
            labels=labels_in(prompt.reference for prompt in found.prompts),
            skipped=found.skipped,
            beyond=found.beyond,
            unclear=found.unclear,
            first=found.prompts[:SHOWN_PROMPTS],
        )

    def read(self, source: PromptSource) -> tuple[PromptsFound, str]:
        """The prompts of `source`, and what they are called; raises `WorkbenchError` when there are none."""
        found, name = self._read(source)
        if found.unclear:
            raise WorkbenchError(
                "Which column holds the prompt is not clear.",
                remedy=f"Choose one of: {', '.join(found.columns)}.",
                field="source.columns.question",
            )
        return found, name

    def _read(self, source: PromptSource) -> tuple[PromptsFound, str]:
        if source.kind == "file":
            folder = self._received(source.id)
            name = (folder / "name").read_text(encoding="utf-8")
            return read_prompts(folder / "original", name, _chosen(source.columns)), name
        found, name = self._of_dataset(source.id) if source.kind == "dataset" else self._of_run(source.id)
        if not found.prompts:
            raise WorkbenchError(
                f"There is no prompt in {name}: running text asks nothing.",
                remedy="Choose rows with questions.",
                field="source.id",
            )
        return found, name

    def _of_dataset(self, reference: str) -> tuple[PromptsFound, str]:
        dataset = self._library.resolve(reference)
        return prompts_of(self._library.conversations(dataset.id)), dataset.name

    def _of_run(self, id: str) -> tuple[PromptsFound, str]:
        run = self._runs.get(id)
        rows = partition(self._library, self._runs.config(id).data).validation
        if not len(rows):
            raise WorkbenchError(
                f"The run “{run.name or id}” held out no rows.",
                remedy="Choose a dataset, or a run with a validation share above 0.",
                field="source.id",
            )
        return prompts_of(rows), f"held-out rows of {run.name or id}"

    def _folder(self, id: str) -> Path:
        return self._home.uploads / f"prompts-{id}"

    def _received(self, id: str) -> Path:
        if not _ID.fullmatch(id) or not self._folder(id).is_dir():
            raise WorkbenchError(
                "This prompt file is no longer here.", remedy="Choose the file again.", field="source.id"
            )
        return self._folder(id)

    def _sweep(self) -> None:
        kept = sorted(self._home.uploads.glob("prompts-*"), key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) + 1 - MOST_FILES)]:
            shutil.rmtree(path, ignore_errors=True)


def _chosen(columns: PromptColumns) -> PromptColumns | None:
    return columns if columns.question else None
