"""Which runs name a dataset in their config: read once a run, since a run's config never changes."""

from __future__ import annotations

import re

from workbench.home import Home

_ID = re.compile(r"\b[0-9a-f]{16}\b")


class DatasetUsers:
    """The runs of a home by the datasets they name."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._named: dict[str, frozenset[str]] = {}

    def runs(self) -> dict[str, list[str]]:
        """The ids of the runs that name a dataset, by its id; one look at the disk for all of them."""
        found: dict[str, list[str]] = {}
        for run, named in sorted(self._read().items()):
            for dataset in named:
                found.setdefault(dataset, []).append(run)
        return found

    def _read(self) -> dict[str, frozenset[str]]:
        there = {path.parent.name: path for path in self._home.runs.glob("*/config.yaml")}
        self._named = {
            run: self._named.get(run) or frozenset(_ID.findall(path.read_text(encoding="utf-8")))
            for run, path in there.items()
        }
        return self._named
