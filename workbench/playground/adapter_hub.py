"""An adapter of the Hugging Face hub: the few files that are kept of it, by the hub client's own cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.errors import Problem, WorkbenchError
from workbench.home import Home
from workbench.models import hub_files
from workbench.models.hub_cache import blobs
from workbench.models.hub_errors import explained
from workbench.models.hub_files import Wanted, fetch_large, silent_bar
from workbench.playground.adapter_files import CONFIG, KEPT, WEIGHTS


def fetch_adapter(repository: str, home: Home) -> Path:
    """The folder of the adapter ``org/name`` on this machine, fetched if need be.

    Raises `WorkbenchError` beside ``adapter`` when it cannot be had or is not to be read.
    """
    from huggingface_hub import snapshot_download

    options: dict[str, Any] = {"allow_patterns": [*KEPT, "config.json"], "tqdm_class": silent_bar()}
    try:
        with explained(repository, home):
            files = snapshot_download(repository, dry_run=True, **options)
            names = {file.filename for file in files}
            _require_adapter(repository, names)
            large = [file for file in files if file.will_download and (file.file_size or 0) >= hub_files.LARGE]
            wanted = [Wanted(repository, file.filename, file.commit_hash) for file in large]
            fetch_large(wanted, blobs(repository), lambda _: None)
            return Path(snapshot_download(repository, **options))
    except WorkbenchError as error:
        told = (Problem(problem.message, problem.remedy, "adapter") for problem in error.problems)
        raise WorkbenchError.of(told) from error


def _require_adapter(repository: str, names: set[str]) -> None:
    if CONFIG not in names:
        kind = "a whole model" if "config.json" in names else "no adapter"
        raise WorkbenchError(f"{repository} is {kind}: it has no {CONFIG}.", remedy="Name a repository of an adapter.")
    if WEIGHTS not in names:
        raise WorkbenchError(
            f"{repository} offers no {WEIGHTS}; other formats can run code when they are read.",
            remedy="Ask its maker for a safetensors copy.",
        )
