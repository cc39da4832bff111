"""One process owns a home: a lock that dies with it, and ``server.json``, which says who and where it is."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.records import Record
from workbench.runs.durable import write_whole
from workbench.runs.process import lives, own_mark


class Owner(Record):
    """The process that owns a home."""

    pid: int
    mark: str
    host: str
    started: float
    """Unix time."""
    address: str | None = None
    """Where it serves, such as ``http://127.0.0.1:7860``; None for a command that owns the home while it runs."""


@contextmanager
def own(home: Home) -> Iterator[Owner]:
    """Own `home` until left; raises `WorkbenchError` that names the owner when there is one."""
    lock = FileLock(home.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _refusal(home) from None
    try:
        owner = Owner(pid=os.getpid(), mark=own_mark(), host=platform.node(), started=time.time())
        write_whole(home.server, owner.model_dump_json())
        yield owner
    finally:
        home.server.unlink(missing_ok=True)
        lock.release()


def announce(home: Home, address: str) -> None:
    """Say where the owner, which is this process, serves."""
    owner = _read(home)
    if owner is not None and owner.pid == os.getpid():
        write_whole(home.server, owner.model_copy(update={"address": address}).model_dump_json())


def owner_of(home: Home) -> Owner | None:
    """The living process that owns `home`."""
    owner = _read(home)
    return owner if owner is not None and lives(owner.pid, owner.mark) else None


def _read(home: Home) -> Owner | None:
    try:
        return Owner.model_validate_json(home.server.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _refusal(home: Home) -> WorkbenchError:
    owner = _read(home)
    if owner is None:
        who, remedy = "another process", "Wait for it to end, or name another home with --home."
    elif owner.address:
        who, remedy = f"the server at {owner.address} (process {owner.pid})", "Use that one, or another home (--home)."
    else:
        who, remedy = f"the command with process id {owner.pid}", "Wait for it to end, or use another home (--home)."
    return WorkbenchError(f"The workbench home {home.path} is in use by {who}.", remedy=remedy)
