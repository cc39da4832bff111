"""A base model of the Hugging Face hub, in the hub client's own cache: safetensors only, never remote code.

Downloads resume where they stopped; the token, if any, comes from the environment through the client itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from workbench.errors import WorkbenchError
from workbench.models.hub_cache import cached_snapshot, has_weights
from workbench.models.hub_errors import explained, unreachable
from workbench.models.safetensors_folder import require_all_shards, require_loadable
from workbench.models.source import SOURCES, Progress, Source

_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_UNWANTED = ["*/*", "*.bin.index.json", "consolidated*.safetensors"]
"""Other formats in sub-folders, and the same weights a second time in the maker's own layout."""


@SOURCES.add("hub")
class HubSource(Source):
    """``hub:org/name``"""

    kind: ClassVar[str] = "hub"
    title: ClassVar[str] = "Hugging Face hub"
    example: ClassVar[str] = "hub:org/name"
    order: ClassVar[int] = 1

    def ready(self) -> bool:
        snapshot = cached_snapshot(self.name)
        if snapshot is None or not has_weights(snapshot):
            return False
        try:
            require_all_shards(snapshot)
        except WorkbenchError:
            return False
        return True

    def config_path(self) -> Path:
        snapshot = cached_snapshot(self.name)
        if snapshot is not None and (snapshot / "config.json").is_file():
            return snapshot
        from huggingface_hub import hf_hub_download

        with explained(self.name, self.home):
            return Path(hf_hub_download(self.name, "config.json")).parent

    def local_folder(self, progress: Progress) -> Path:
        if not self.ready():
            self._download(progress)
        progress("checking the model's files")
        snapshot = cached_snapshot(self.name)
        if snapshot is None:
            raise unreachable(self.name, self.home)
        require_loadable(snapshot)
        return snapshot

    def revision(self) -> str:
        snapshot = cached_snapshot(self.name)
        return snapshot.name if snapshot is not None else ""

    def _download(self, progress: Progress) -> None:
        from huggingface_hub import snapshot_download

        options: dict[str, Any] = {"allow_patterns": _WANTED, "ignore_patterns": _UNWANTED}
        with explained(self.name, self.home):
            progress(f"asking the hub for {self.name}")
            files = snapshot_download(self.name, dry_run=True, **options)
            self._require_safetensors([file.filename for file in files])
            missing = sum(file.file_size or 0 for file in files if file.will_download)
            self._require_disk(missing)
            snapshot_download(self.name, tqdm_class=_reporting(progress, self.name, missing), **options)

    def _require_safetensors(self, names: list[str]) -> None:
        if not any(name.endswith(".safetensors") for name in names):
            raise WorkbenchError(
                f"{self.name} offers no safetensors weights; other formats can run code when they are loaded.",
                remedy="Choose a safetensors copy of this model.",
                field="base_model",
            )

    def _require_disk(self, needed: int) -> None:
        from huggingface_hub import constants

        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
        if free < needed * 1.05:
            raise WorkbenchError(
                f"{self.name} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.",
                remedy=f"Free some space on the disk that holds {cache}, or set HF_HOME to another.",
                field="base_model",
            )


def _reporting(progress: Progress, name: str, total: int) -> Any:
    """A progress bar class for the hub client that draws nothing and tells `progress` the share of the bytes."""
    from tqdm import tqdm

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self._bytes = options.get("unit") == "B" and options.pop("name", "").endswith("snapshot_download")
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            if self._bytes and total:
                progress(f"downloading {name}", min(self.n / total, 1.0))
            return None

    return Reporting
