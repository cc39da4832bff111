"""Runs: their folders, which are the truth, and the server's index and supervisor over them.

`Runs` is the server's service. A worker needs only `folder`, `events_log`, `pulse`, `lock` and `manifest`, so the
service is imported when it is first asked for: a worker never loads the index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.runs.service import Runs

__all__ = ["Runs"]


def __getattr__(name: str) -> Any:
    if name == "Runs":
        from workbench.runs.service import Runs

        return Runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
