"""Which process is meant by a pid: a mark that a reused pid does not share and that no change of the clock moves.

`psutil.Process.create_time` is derived from the wall clock, so it moves when the clock is set; on Linux the kernel's
own count of ticks since boot, beside the id of that boot, does not.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import psutil


def mark_of(pid: int) -> str | None:
    """The mark of the living process `pid`; None when there is none, or only its zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return _linux_mark(pid) or f"{process.create_time():.2f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def own_mark() -> str:
    """The mark of this process."""
    mark = mark_of(os.getpid())
    assert mark is not None  # whoever asks lives
    return mark


def lives(pid: int, mark: str) -> bool:
    """Whether the very process that had `mark` is still there, running or suspended."""
    return mark_of(pid) == mark


def same_boot(mark: str) -> bool:
    """Whether a process with this mark was started since this machine was; a mark from elsewhere was not."""
    boot = _boot_id()
    return mark.startswith(f"{boot}:") if boot else ":" not in mark


def _linux_mark(pid: int) -> str:
    boot = _boot_id()
    if not boot:
        return ""
    # The command's name, in brackets, may itself hold spaces and brackets: fields are counted after the last one.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return f"{boot}:{fields[19]}"


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
