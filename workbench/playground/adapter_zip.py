"""The adapter inside a zip: its few files taken out one by one, counted while they are unpacked.

Nothing else is unpacked, whatever the archive holds; one whose names lead outside is refused as a whole.
"""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath

from workbench.errors import WorkbenchError
from workbench.playground.adapter_files import CONFIG, KEPT, WEIGHTS

MOST_BYTES = 4 * 2**30
"""Of the unpacked weights."""
MOST_TEXT_BYTES = 64 * 2**20
"""Of every other file."""
MOST_FILES = 10_000
_CHUNK = 2**20


def unpack(archive: Path, target: Path) -> None:
    """Put the adapter's files into `target`; raises `WorkbenchError` when the zip holds none, or is not safe."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _require_safe(entries)
            root = _root([entry.filename for entry in entries])
            for entry in entries:
                path = PurePosixPath(entry.filename)
                if path.parent == root and (path.name in KEPT or path.suffix in (".bin", ".json")):
                    _take(opened, entry, target / path.name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:  # RuntimeError: a password
        raise _refused(
            f"The zip cannot be read: {error}.", "Pack the adapter's folder anew, without a password."
        ) from error


def _require_safe(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise _refused(f"The zip holds {len(entries):,} files.", "Pack the adapter's folder alone.")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        outside = path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in path.parts[0:1]
        if outside or stat.S_ISLNK(entry.external_attr >> 16):
            raise _refused(f"“{entry.filename}” in the zip leads outside of it.", "Pack the adapter's folder anew.")


def _root(names: list[str]) -> PurePosixPath:
    """The folder in the zip that holds the adapter: the topmost with a config, and only one."""
    found = sorted((PurePosixPath(name).parent for name in names if PurePosixPath(name).name == CONFIG), key=_depth)
    if not found:
        raise _refused(
            f"The zip holds no adapter: there is no {CONFIG}.", "Pack what peft's save_pretrained has written."
        )
    if len(found) > 1 and _depth(found[1]) == _depth(found[0]):
        named = ", ".join(map(str, found[:3]))
        raise _refused(f"The zip holds several adapters: {named}.", "Pack one of them alone.")
    return found[0]


def _depth(path: PurePosixPath) -> int:
    return len(path.parts)


def _take(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    if target.name not in KEPT:
        target.touch()  # that it is there is told; what it holds is not unpacked
        return
    most = MOST_BYTES if target.name == WEIGHTS else MOST_TEXT_BYTES
    written = 0
    with opened.open(entry) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > most:
                raise _refused(
                    f"“{entry.filename}” is larger than the {most / 2**20:,.0f} MB that are unpacked.",
                    "Name the folder on the server's disk instead.",
                )
            file.write(chunk)


def _refused(message: str, remedy: str) -> WorkbenchError:
    return WorkbenchError(message, remedy=remedy, field="adapter")
