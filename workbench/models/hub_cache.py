"""What the Hugging Face hub's own cache holds on this machine. Looks at the disk, never at the network."""

from __future__ import annotations

from pathlib import Path


def cached_snapshot(repository: str) -> Path | None:
    """The folder of the newest state of ``org/name`` in the cache, whether or not all of it is there."""
    folder = _cache() / f"models--{repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


def blobs(repository: str) -> Path:
    """Where the cache keeps the files of ``org/name`` under their hashes."""
    return _cache() / f"models--{repository.replace('/', '--')}" / "blobs"


def cached_repositories() -> list[str]:
    """Every ``org/name`` of which the cache holds safetensors weights, sorted."""
    repositories = (folder.name.removeprefix("models--").replace("--", "/") for folder in _cache().glob("models--*"))
    return sorted(name for name in repositories if has_weights(cached_snapshot(name)))


def has_weights(snapshot: Path | None) -> bool:
    """Whether a snapshot holds any safetensors file."""
    return snapshot is not None and any(snapshot.glob("*.safetensors"))


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
