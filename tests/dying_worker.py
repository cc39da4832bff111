"""The real worker, made to fail at a moment that no test could hit: ``python dying_worker.py HOW RUN_DIR``.

``saving`` kills it when its second checkpoint lacks nothing but the manifest; ``full:BYTES`` allows
none of its files to grow beyond so many bytes while it saves its second checkpoint, as a full disk would.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from workbench.runs import manifest

write_manifest = manifest.write_manifest
written = 0


def die_in_the_second(folder: Path) -> None:
    global written
    written += 1
    if written == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write_manifest(folder)


def fill_the_disk_after_the_first(limit: int) -> None:
    def write(folder: Path) -> None:
        write_manifest(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    manifest.write_manifest = write


if __name__ == "__main__":
    how, _, number = sys.argv.pop(1).partition(":")
    if how == "saving":
        manifest.write_manifest = die_in_the_second
    else:
        fill_the_disk_after_the_first(int(number))
    from workbench.training.__main__ import main

    main()
