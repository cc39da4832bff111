"""The engine process: ``python -m workbench.engine --home HOME --address-file FILE``.

Listens on a free loopback port, writes its address into the file, and ends when its parent is gone: it reads its
standard input, which the parent holds open and never writes to.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from workbench.engine.app import build_app
from workbench.home import Home
from workbench.protocol.engine import TOKEN_VARIABLE


def main() -> None:
    """Serve until the parent closes our standard input, or a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m workbench.engine", description="The engine of LoRA Workbench.")
    parser.add_argument("--home", type=Path, required=True, help="the workbench's folder")
    parser.add_argument("--address-file", type=Path, required=True, help="where the address is written when it listens")
    options = parser.parse_args()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        parser.error(f"the environment variable {TOKEN_VARIABLE} is not set")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    threading.Thread(target=_end_with_parent, name="parent watch", daemon=True).start()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # before the address is known: whoever reads it may connect at once
    _announce(options.address_file, listener.getsockname()[1])
    config = uvicorn.Config(build_app(Home(options.home), token), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)  # not sys.exit: a step in the middle of a forward pass would hold the process


def _announce(file: Path, port: int) -> None:
    """Write the address, whole or not at all."""
    written = file.with_suffix(".new")
    written.write_text(f"http://127.0.0.1:{port}", encoding="utf-8")
    written.replace(file)


if __name__ == "__main__":
    main()
