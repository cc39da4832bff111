"""A folder's manifest: the size and SHA-256 of every file in it, written last.

A folder without one was never finished; a folder whose files do not match it was damaged since.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from workbench.records import Record
from workbench.runs.durable import sync_file, sync_folder, write_whole

NAME = "manifest.json"


class FileEntry(Record):
    """One file as it was when the manifest was written."""

    bytes: int
    sha256: str


class Manifest(Record):
    """Every file of a folder, by its path in it."""

    files: dict[str, FileEntry]

    @property
    def bytes(self) -> int:
        """What they take on disk together."""
        return sum(entry.bytes for entry in self.files.values())


def write_manifest(folder: Path) -> None:
    """Bring every file in `folder` to the disk, then write down their hashes: after this the folder counts."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    entries = {}
    for path in files:
        sync_file(path)
        entries[path.relative_to(folder).as_posix()] = FileEntry(bytes=path.stat().st_size, sha256=sha256(path))
    for inner in {path.parent for path in files}:
        sync_folder(inner)
    write_whole(folder / NAME, Manifest(files=entries).model_dump_json(indent=1), durable=True)
    sync_folder(folder.parent)


def read(folder: Path) -> Manifest | None:
    """The manifest of `folder`; None when there is none, or it is damaged."""
    try:
        return Manifest.model_validate_json((folder / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def verify(folder: Path) -> bool:
    """Whether every file that the manifest names is there with the hash it names. Reads all of them."""
    manifest = read(folder)
    return manifest is not None and all(_same(folder / name, entry) for name, entry in manifest.files.items())


def sha256(path: Path) -> str:
    """The SHA-256 of the file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(path: Path, entry: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == entry.bytes and sha256(path) == entry.sha256
