"""What was added to the playground beside the runs' own adapters: a folder an entry, its facts in ``added.json``.

The server writes the entries; the engine reads where an adapter lies and which base model it belongs to.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records import Record

ID_FORM = re.compile(r"[0-9a-z][0-9a-z-]*")
FACTS = "added.json"
ADAPTER = "adapter"
"""The sub-folder that holds an adapter's files."""


class Added(Record):
    """One entry."""

    id: str
    """Names its folder; of an adapter it is the model id."""
    kind: Literal["adapter", "merged", "endpoint"]
    """An adapter of a base model, a whole model that an adapter was merged into, or another server."""
    name: str
    source: str
    """Where it came from: a folder, a zip's name, a hub id, or the server's address."""
    base_model: str = ""
    """The base model's reference; of a merged model its own, of another server nothing."""
    method: str = ""
    rank: int | None = None
    bytes: int = 0
    """Size of the weights that are kept here."""
    created: float
    models: tuple[str, ...] = ()
    """Model ids that another server offered when it was added."""


def read_added(home: Home, added_id: str) -> Added | None:
    """The entry of that id, None when there is none; raises `WorkbenchError` when its facts are damaged."""
    file = home.adapters / added_id / FACTS
    if not ID_FORM.fullmatch(added_id) or not file.is_file():
        return None
    try:
        return Added.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise WorkbenchError(f"{file} is damaged.", remedy="Remove the adapter and add it again.") from error


def list_added(home: Home) -> list[Added]:
    """Every entry, the newest first; damaged ones are left out."""
    found = []
    for folder in home.adapters.iterdir():
        try:
            added = read_added(home, folder.name)
        except WorkbenchError:
            continue
        if added is not None:
            found.append(added)
    return sorted(found, key=lambda added: -added.created)


def adapter_folder(home: Home, added_id: str) -> Path:
    """Where the adapter's files lie."""
    return home.adapters / added_id / ADAPTER
