"""What rooms hand to one another: frozen facts without behaviour, a file for each thing they are about.

A `Record` is pydantic, so that it crosses a process border as JSON. Nothing here reads a disk or draws a page.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen fact."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
