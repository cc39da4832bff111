"""The large files of a hub model, fetched so that a broken or stopped download goes on in the middle of a file.

The hub client itself begins such a file anew. Here its bytes are appended to a partial file beside the client's own
blobs, checked against the hash that the hub names, and only then given the name under which the client finds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock

from workbench.errors import WorkbenchError

LARGE = 10_000_000
"""Bytes from which on a file is fetched here."""
_AT_ONCE = 4
_SHA256_DIGITS = 64

Told = Callable[[int], None]
"""Called with bytes that are there now and were not before."""


@dataclass(frozen=True)
class Wanted:
    """A file of a repository."""

    repository: str
    name: str
    commit: str


def fetch_large(wanted: Iterable[Wanted], blobs: Path, told: Told) -> None:
    """Put each file into the folder `blobs` under its hash; several at a time. What `told` raises ends all of them."""
    blobs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(_fetch, file, blobs, told) for file in wanted]:
            done.result()


def _fetch(wanted: Wanted, blobs: Path, told: Told) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    url = hf_hub_url(wanted.repository, wanted.name, revision=wanted.commit)
    metadata = get_hf_file_metadata(url)
    blob = blobs / str(metadata.etag)
    partial = blob.with_name(f"{blob.name}.part")
    with FileLock(blob.with_name(f"{blob.name}.part.lock")):
        if blob.is_file():
            told(blob.stat().st_size)
            return
        with partial.open("ab") as file:
            bar: Any = _counting(told)
            http_get(
                url,
                file,
                resume_size=file.tell(),
                headers=build_hf_headers(),
                expected_size=metadata.size,
                tqdm_class=bar,
            )
        _require_hash(partial, blob.name, wanted)
        partial.replace(blob)


def _require_hash(partial: Path, expected: str, wanted: Wanted) -> None:
    """Large files are named by their SHA-256; one that has another is thrown away."""
    if len(expected) != _SHA256_DIGITS:
        return
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        partial.unlink()
        raise WorkbenchError(
            f"{wanted.name} of {wanted.repository} arrived damaged: its hash is another than the hub names.",
            remedy="Download it again; what was damaged has been removed.",
            field="base_model",
        )


class Meter:
    """Adds up what several threads fetch."""

    def __init__(self, total: int, progress: Callable[[float], None]) -> None:
        self._total, self._progress = total, progress
        self._lock, self._there = Lock(), 0

    def __call__(self, number: int) -> None:
        """`number` more bytes are there."""
        with self._lock:
            self._there += number
            share = self._there / self._total if self._total else 1.0
        self._progress(min(share, 1.0))


def silent_bar() -> type:
    """A progress bar class for the hub client that draws nothing."""
    return _counting(lambda _: None)


def _counting(told: Told) -> type:
    """A progress bar class for the hub client that draws nothing and hands every number on."""
    from tqdm import tqdm

    class Counting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})
            if self.n:
                told(int(self.n))

        def update(self, n: float | None = 1) -> bool | None:
            told(int(n or 0))
            return None

    return Counting
