"""Serve the pages and the API: the process behind the browser."""

from __future__ import annotations

import os

from workbench.errors import WorkbenchError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(text: str) -> int:
    """Bytes in ``500MB``, ``2 GB``, ``2GiB`` or a plain number."""
    words = text.strip().upper().removesuffix("B").removesuffix("I").strip()
    unit = words[-1:] if words[-1:].isalpha() else ""
    try:
        size = int(float(words.removesuffix(unit)) * _UNITS[unit])
    except (ValueError, KeyError):
        raise WorkbenchError(
            f"--max-upload: “{text}” is no size.", remedy="Write it like 500MB or 2GB."
        ) from None
    if size <= 0:
        raise WorkbenchError("--max-upload: a cap of 0 lets nothing in.", remedy="Write it like 500MB or 2GB.")
    return size


def login_password(user: str | None) -> str | None:
    """The password of `user`, from the environment alone: an option would show in the list of processes."""
    if user is None:
        return None
    password = os.environ.get("WORKBENCH_PASSWORD")
    if not password:
        raise WorkbenchError(
            "--login needs a password, and WORKBENCH_PASSWORD is empty.",
            remedy="Set it in the environment: WORKBENCH_PASSWORD=… workbench serve --login " + user,
        )
    return password
