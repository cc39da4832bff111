"""The datasets that come with the workbench, as `presets/samples/samples.yaml` lists them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

from workbench.errors import WorkbenchError
from workbench.presets import PRESETS


class Sample(NamedTuple):
    """One bundled file."""

    name: str
    path: Path
    source: str
    licence: str
    title: str
    summary: str
    link: str


def samples() -> list[Sample]:
    """Every sample there is, in the order of the list."""
    folder = PRESETS / "samples"
    return [
        Sample(
            name=entry["name"],
            path=folder / entry["file"],
            source=entry["source"],
            licence=entry["licence"],
            title=entry["title"],
            summary=entry["summary"],
            link=entry["link"],
        )
        for entry in yaml.safe_load((folder / "samples.yaml").read_text(encoding="utf-8"))
    ]


def sample(name: str) -> Sample:
    """The sample called `name`; raises `WorkbenchError` that names those there are."""
    found = {entry.name: entry for entry in samples()}
    if name not in found:
        raise WorkbenchError(
            f"There is no sample “{name}”.", remedy=f"Choose one of: {', '.join(found)}.", field="data.dataset"
        )
    return found[name]
