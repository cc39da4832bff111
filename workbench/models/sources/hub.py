"""A base model of the Hugging Face hub, in the hub client's own cache: safetensors only, never remote code.

Downloads resume where they stopped; the token, if any, comes from the environment through the client itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from workbench.errors import WorkbenchError
from workbench.models import hub_files
from workbench.models.hub_cache import blobs, cached_snapshot, has_weights
from workbench.models.hub_errors import explained, unreachable
from workbench.models.hub_files import Meter, Wanted, fetch_large, silent_bar
from workbench.models.safetensors_folder import folder_has_chat_template, require_loadable
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
            require_loadable(snapshot)
        except (WorkbenchError, OSError):
            return False
        return True

    def require_usable(self) -> None:
        """What is not here yet may be fetched by the run; whether it can be shows then."""

    def fetch(self, progress: Progress) -> None:
        if not self.ready():
            self._download(progress)

    def has_chat_template(self) -> bool | None:
        snapshot = cached_snapshot(self.name)
        here = snapshot is not None and (snapshot / "tokenizer_config.json").is_file()
        return folder_has_chat_template(snapshot) if snapshot and here else None

    def config_path(self) -> Path:
        snapshot = cached_snapshot(self.name)
        if snapshot is not None and (snapshot / "config.json").is_file():
            return snapshot
        from huggingface_hub import hf_hub_download

        with explained(self.name, self.home):
            return Path(hf_hub_download(self.name, "config.json")).parent

    def local_folder(self, progress: Progress) -> Path:
        self.fetch(progress)
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

        options: dict[str, Any] = {"allow_patterns": _WANTED, "ignore_patterns": _UNWANTED, "tqdm_class": silent_bar()}
        with explained(self.name, self.home):
            progress(f"asking the hub for {self.name}")
            files = snapshot_download(self.name, dry_run=True, **options)
            self._require_safetensors([file.filename for file in files])
            missing = [file for file in files if file.will_download]
            self._require_disk(sum(file.file_size or 0 for file in missing))
            large = [file for file in missing if (file.file_size or 0) >= hub_files.LARGE]
            total = sum(file.file_size or 0 for file in large)
            meter = Meter(total, lambda share: progress(f"downloading {self.name}", share))
            fetch_large((Wanted(self.name, file.filename, file.commit_hash) for file in large), blobs(self.name), meter)
            snapshot_download(self.name, **options)

    def _require_safetensors(self, names: list[str]) -> None:
        if not any(name.endswith(".safetensors") for name in names):
            raise without_safetensors(self.name)

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


def without_safetensors(name: str) -> WorkbenchError:
    """What is said of a repository whose weights come in other formats only."""
    return WorkbenchError(
        f"{name} offers no safetensors weights; other formats can run code when they are loaded.",
        remedy="Choose a safetensors copy of this model.",
        field="base_model",
    )
