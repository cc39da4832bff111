"""A folder of named things, one JSON file each: what users save under a name. Knows not what the things are.

Files are the truth and whole at any moment; one that cannot be read is told of and never in the way of the others.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field, ValidationError

from workbench.errors import WorkbenchError
from workbench.records import Record
from workbench.runs.durable import write_whole

MAX_NAME = 200
_ID = re.compile("[0-9a-f]{16}")


class Kept(Record):
    """What every kept thing has besides its content."""

    id: str
    name: str
    created: float
    """Unix time."""
    changed: float
    revision: int = Field(1, ge=1)
    """Counts the changes, so that two tabs do not overwrite each other unseen."""


T = TypeVar("T", bound=Kept)


class Shelf(Generic[T]):
    """The kept things of one kind; safe to use from several threads."""

    def __init__(self, folder: Path, kind: type[T], word: str) -> None:
        self._folder = folder
        self._kind = kind
        self._word = word
        """What a user calls one, such as “conversation”."""
        self._lock = threading.Lock()

    def all(self) -> tuple[list[T], int]:
        """Those that can be read, the last changed first, and how many cannot."""
        found, damaged = [], 0
        for path in self._folder.glob("*.json"):
            try:
                found.append(self._kind.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError):
                damaged += 1
        return sorted(found, key=lambda kept: -kept.changed), damaged

    def get(self, id: str) -> T:
        """The one called `id`; raises `WorkbenchError` when there is none or it cannot be read."""
        try:
            return self._kind.model_validate_json(self._path(id).read_bytes())
        except FileNotFoundError as error:
            raise WorkbenchError(
                f"This {self._word} is not there any more.", remedy="Choose another one from the list.", field="id"
            ) from error
        except (OSError, ValidationError) as error:
            raise WorkbenchError(
                f"The file of this {self._word} cannot be read.", remedy=f"See {self._path(id)}, or delete it."
            ) from error

    def add(self, name: str, content: Record) -> T:
        """Keep `content` under `name`."""
        now = time.time()
        return self._write(
            {"id": secrets.token_hex(8), "name": self._named(name), "created": now, "changed": now, "revision": 1},
            content,
        )

    def replace(self, id: str, content: Record, revision: int) -> T:
        """Keep `content` in the place of what was there as `revision`; raises `WorkbenchError` when that has moved."""
        with self._lock:
            known = self.get(id)
            if known.revision != revision:
                raise WorkbenchError(
                    f"“{known.name}” was changed in another tab meanwhile.",
                    remedy="Reload the page to see it, or save this under another name.",
                    field="revision",
                )
            kept = known.model_dump(include=set(Kept.model_fields))
            return self._write(kept | {"changed": time.time(), "revision": revision + 1}, content)

    def rename(self, id: str, name: str) -> T:
        """Call it something else."""
        with self._lock:
            known = self.get(id)
            renamed = known.model_copy(update={"name": self._named(name, id)})
            write_whole(self._path(id), renamed.model_dump_json(indent=1))
            return renamed

    def remove(self, id: str) -> None:
        """Forget it; one that is not there is refused."""
        with self._lock:
            try:
                self._path(id).unlink()
            except FileNotFoundError as error:
                raise WorkbenchError(f"This {self._word} is not there any more.", remedy="Reload the page.") from error

    def _write(self, kept: dict[str, object], content: Record) -> T:
        whole = self._kind.model_validate(kept | content.model_dump())
        write_whole(self._path(whole.id), whole.model_dump_json(indent=1), durable=True)
        return whole

    def _named(self, name: str, id: str = "") -> str:
        """`name` as it is kept; raises `WorkbenchError` beside it when it is none, or another one's."""
        words = " ".join(name.split())
        if not words:
            raise WorkbenchError("A name is needed.", remedy="Write what you will look for.", field="name")
        if len(words) > MAX_NAME:
            raise WorkbenchError("The name is too long.", remedy=f"Use at most {MAX_NAME} characters.", field="name")
        if any(other.name == words and other.id != id for other in self.all()[0]):
            raise WorkbenchError(
                f"There is a {self._word} called “{words}”.", remedy="Choose another name.", field="name"
            )
        return words

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise WorkbenchError(
                f"This {self._word} is not there any more.", remedy="Choose another one from the list.", field="id"
            )
        return self._folder / f"{id}.json"
