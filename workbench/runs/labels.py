"""``labels.yaml``: what a user calls a run and says about it. The server alone writes it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of
from workbench.records import Record
from workbench.runs.durable import write_whole

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where libyaml is there."""


class Labels(Record):
    """May change at any time and changes nothing of what the run does."""

    name: str = Field("", max_length=200)
    note: str = Field("", max_length=20_000)
    tags: tuple[str, ...] = ()
    pin: bool = False
    archived: bool = False


def load(path: Path) -> Labels:
    """The labels at `path`; a file that is missing or was damaged by hand gives none."""
    try:
        return Labels.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER) or {})
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
        return Labels()


def save(labels: Labels, path: Path) -> None:
    """Replace the labels at `path`."""
    write_whole(path, yaml.safe_dump(labels.model_dump(mode="json"), allow_unicode=True, sort_keys=False), durable=True)


def changed(labels: Labels, **values: object) -> Labels:
    """`labels` with some `values` replaced; raises `WorkbenchError` with every problem."""
    try:
        return Labels.model_validate({**labels.model_dump(), **values})
    except ValidationError as error:
        raise WorkbenchError.of(problems_of(error)) from error
