"""Serve the pages and the API: the process behind the browser."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.web import ServeOptions

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LISTENERS = 2048


def parse_size(text: str) -> int:
    """Bytes in ``500MB``, ``2 GB``, ``2GiB`` or a plain number."""
    words = text.strip().upper().removesuffix("B").removesuffix("I").strip()
    unit = words[-1:] if words[-1:].isalpha() else ""
    try:
        size = int(float(words.removesuffix(unit)) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise WorkbenchError(f"--max-upload: “{text}” is no size.", remedy="Write it like 500MB or 2GB.") from None
    if size <= 0:
        raise WorkbenchError("--max-upload: a cap of 0 lets nothing in.", remedy="Write it like 500MB or 2GB.")
    return size


def login_password(user: str | None) -> str | None:
    """The password of `user`, from the environment alone: an option would show in the list of processes."""
    return os.environ.get("WORKBENCH_PASSWORD") if user is not None else None


def serve(home_option: Path | None, options: ServeOptions) -> None:
    """Own the home, listen, say what to open, and serve until Ctrl-C; running workers go on after it."""
    import uvicorn

    from workbench.runs.owner import announce
    from workbench.services import open_services
    from workbench.web import build_app

    home = Home.locate(home_option)
    listener = _listen(options)
    address = _address(options, listener)
    with listener, open_services(home) as services:
        app = build_app(services, options)
        announce(home, address)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, root_path=options.root_path, timeout_graceful_shutdown=3
        )
        print(f"LoRA Workbench is ready: open {address}", flush=True)
        print(f"Everything is kept in {home.path}. Press Ctrl-C to stop; runs go on.", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        listener.listen(_LISTENERS)
    except OSError as error:
        listener.close()
        raise WorkbenchError(
            f"{options.host}:{options.port} cannot be used: {error.strerror}.",
            remedy="Choose another with --port; --port 0 takes a free one.",
        ) from error
    return listener


def _address(options: ServeOptions, listener: socket.socket) -> str:
    """What to open, with the port that was really taken."""
    return replace(options, port=listener.getsockname()[1]).address
