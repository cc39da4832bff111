"""A GGUF file turned into a safetensors folder, once: locked, hashed, and visible only when it is whole.

The folder lies under the workbench home; its ``manifest.json`` names the file it came from and the SHA-256 of each
file in it. Torch and transformers are imported only while a file is converted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.blueprint_file import slug
from workbench.models.gguf_header import require_whole_gguf
from workbench.models.source import Progress, silent
from workbench.records import Record

_MANIFEST = "manifest.json"
_EXACT_UP_TO = 1_000_000_000
"""Parameters up to which weights are kept in float32: exactly the file's values, mapped into memory as they are."""
_BYTES_A_WEIGHT = 8
"""Room asked of the disk for each byte of a 4-bit file, at most: float32 is eight times four bits."""


class Manifest(Record):
    """What a converted folder was made from, and what is in it."""

    reference: str
    source: str
    source_bytes: int
    source_modified_ns: int
    source_hash: str
    files: dict[str, str]
    """Name to SHA-256."""


class Converted(Record):
    """A converted folder whose hashes held."""

    folder: Path
    source_hash: str


def folder_of(reference: str, home: Home) -> Path:
    """Where the safetensors of that model lie, made or not."""
    return home.models / slug(reference)


def is_converted(reference: str, home: Home) -> bool:
    """Whether that model was turned into safetensors already; looks at the manifest alone."""
    return read_manifest(folder_of(reference, home)) is not None


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`, if there is one that can be read."""
    try:
        return Manifest.model_validate_json((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def converted(file: Path, reference: str, home: Home, progress: Progress = silent) -> Converted:
    """The safetensors folder of the GGUF `file`, made now unless it lies there whole; raises `WorkbenchError`."""
    folder = folder_of(reference, home)
    with FileLock(folder.with_name(folder.name + ".lock")):
        manifest = _valid(folder, file, progress)
        if manifest is None:
            require_whole_gguf(file)
            manifest = _convert(file, reference, folder, progress)
    return Converted(folder=folder, source_hash=manifest.source_hash)


def _valid(folder: Path, file: Path, progress: Progress) -> Manifest | None:
    """The folder's manifest if it was made from this state of `file` and every hash in it holds."""
    manifest = read_manifest(folder)
    if manifest is None or (file.is_file() and _state(file) != (manifest.source_bytes, manifest.source_modified_ns)):
        return None
    progress("checking the model's files")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != expected:
            return None
    return manifest


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _convert(file: Path, reference: str, folder: Path, progress: Progress) -> Manifest:
    _require_disk(file, folder)
    size, modified = _state(file)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        _write_safetensors(file, building, progress)
        progress("hashing the converted files", 0.9)
        manifest = Manifest(
            reference=reference,
            source=str(file),
            source_bytes=size,
            source_modified_ns=modified,
            source_hash=_sha256(file),
            files={path.name: _sha256(path) for path in sorted(building.iterdir())},
        )
        (building / _MANIFEST).write_text(json.dumps(manifest.model_dump(), indent=1), encoding="utf-8")
        building.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    progress("converted", 1.0)
    return manifest


def _write_safetensors(file: Path, into: Path, progress: Progress) -> None:
    progress("loading the conversion tools", 0.0)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        progress(f"reading the tokenizer of {file.name}", 0.1)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        progress(f"reading the weights of {file.name}", 0.5)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    except (ValueError, KeyError, TypeError, RuntimeError, OSError, IndexError, NotImplementedError) as error:
        reason = str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
        raise _refused(
            f"{file} cannot be read: {reason}", "Download it anew; if it is whole, its architecture is not supported."
        ) from error
    progress("writing safetensors", 0.8)
    if model.num_parameters() > _EXACT_UP_TO:
        model = model.bfloat16()
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)


def _require_disk(file: Path, folder: Path) -> None:
    needed = file.stat().st_size * _BYTES_A_WEIGHT
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise _refused(
            f"Turning {file.name} into safetensors may need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.",
            f"Free some space on the disk that holds {folder.parent}.",
        )


def _sha256(path: Path) -> str:
    return _hash_of(path, *_state(path))


@lru_cache(maxsize=64)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    """Computed once a process for a file that has not changed since."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(message: str, remedy: str) -> WorkbenchError:
    return WorkbenchError(message, remedy=remedy, field="base_model")
