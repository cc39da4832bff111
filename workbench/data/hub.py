"""Datasets of the Hugging Face hub: the rows of one split, written down as a file that is then read like any other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from workbench.errors import WorkbenchError

_FIELD = "data.dataset"
_REFERENCE = re.compile(r"hub:(?P<name>\w[\w.-]*/\w[\w.-]*)(?:@(?P<config>[\w.-]+))?(?::(?P<split>[\w.-]+))?")


class HubDataset(NamedTuple):
    """One split of a dataset of the hub."""

    name: str
    config: str | None
    split: str

    @property
    def title(self) -> str:
        """How the library calls it."""
        part = f"{self.config}:{self.split}" if self.config else self.split
        return f"{self.name.replace('/', ' · ')} ({part})"

    @property
    def link(self) -> str:
        """Where a person finds it."""
        return f"https://huggingface.co/datasets/{self.name}"


def parse_reference(reference: str) -> HubDataset:
    """What ``hub:org/name``, ``hub:org/name@config`` or ``hub:org/name@config:split`` means; the split is ``train``."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise WorkbenchError(
            f"“{reference}” does not name a dataset of the hub.",
            remedy="Write hub:org/name, hub:org/name@config or hub:org/name@config:split.",
            field=_FIELD,
        )
    return HubDataset(found["name"], found["config"], found["split"] or "train")


def download(wanted: HubDataset, path: Path) -> None:
    """Write the rows of `wanted` to `path`, a JSON object a line; they stream, and never lie in memory together.

    Raises `WorkbenchError` when the hub cannot be reached or has no such dataset.
    """
    import datasets
    from httpx import HTTPError

    try:
        rows: Iterable[dict[str, Any]] = datasets.load_dataset(
            wanted.name, wanted.config, split=wanted.split, streaming=True
        )
        with path.open("wb") as file:
            file.writelines(orjson.dumps(row, default=str) + b"\n" for row in rows)
    except (ConnectionError, HTTPError, OSError) as error:
        raise WorkbenchError(
            f"The hub's dataset {wanted.name} cannot be had: {_first_line(error)}.",
            remedy="Check the name and the network, or download it elsewhere and add the file.",
            field=_FIELD,
        ) from error
    except (ValueError, RuntimeError) as error:
        raise WorkbenchError(
            f"The hub's dataset {wanted.name} has no such part: {_first_line(error)}.",
            remedy="Name config and split as hub:org/name@config:split.",
            field=_FIELD,
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
