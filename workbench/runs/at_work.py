"""Whether a run computes on this machine right now."""

from __future__ import annotations

import contextlib
import time

from workbench.home import Home
from workbench.runs.folder import RunFolder
from workbench.runs.pulse import SECONDS

MISSED_BEATS = 4
"""After so many a worker counts as gone."""


def at_work(home: Home) -> bool:
    """Whether a worker of `home` has written a heartbeat in the last seconds."""
    earliest = time.time() - MISSED_BEATS * SECONDS
    for path in home.runs.iterdir():
        with contextlib.suppress(OSError):
            if RunFolder(path).heartbeat_file.stat().st_mtime > earliest:
                return True
    return False
