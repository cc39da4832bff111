"""Several runs beside each other: only the settings in which they differ, each under its title."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.config import RunConfig
from workbench.part import Part
from workbench.records import Record
from workbench.records.runs import Run


class Difference(Record):
    """One setting that is not the same in all runs."""

    field: str
    """Dotted: ``training.learning_rate``."""
    title: str
    values: tuple[Any, ...]
    """One a run, in their order; None where a run has no such setting."""


class Comparison(Record):
    """Runs, and what sets them apart."""

    runs: tuple[Run, ...]
    differing: tuple[Difference, ...]


def compare(runs: Sequence[Run], configs: Sequence[RunConfig]) -> Comparison:
    """The differences among `runs`, whose `configs` come in the same order; names are no difference."""
    settings = [dict(_settings(config)) for config in configs]
    fields = dict.fromkeys(field for one in settings for field in one if field != "name")
    differing = []
    for field in fields:
        values = tuple(one[field][1] if field in one else None for one in settings)
        if any(value != values[0] for value in values):
            title = next(one[field][0] for one in settings if field in one)
            differing.append(Difference(field=field, title=title, values=values))
    return Comparison(runs=tuple(runs), differing=tuple(differing))


def _settings(part: Part, prefix: str = "", heading: str = "") -> Iterator[tuple[str, tuple[str, Any]]]:
    """Dotted field, title and plain value of every setting; a kind goes by the title of its part."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        title = heading if name == "kind" else field.title or name
        if isinstance(value, Part):
            yield from _settings(value, f"{prefix}{name}.", title)
        else:
            yield f"{prefix}{name}", (title, ", ".join(value) if isinstance(value, tuple) else value)
