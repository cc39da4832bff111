"""A base model in a folder of the user's: config, tokenizer and safetensors files, used where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from workbench.errors import WorkbenchError
from workbench.models.safetensors_folder import (
    folder_has_chat_template,
    read_config,
    require_loadable,
    weights_fingerprint,
)
from workbench.models.source import SOURCES, Progress, Source


@SOURCES.add("folder")
class FolderSource(Source):
    """``folder:/path/to/model``"""

    kind: ClassVar[str] = "folder"
    title: ClassVar[str] = "Folder"
    example: ClassVar[str] = "folder:/path/to/model"
    order: ClassVar[int] = 2

    @property
    def path(self) -> Path:
        """The folder itself."""
        return Path(self.name).expanduser()

    def require_usable(self) -> None:
        self._require_there()
        require_loadable(self.path)

    def config_path(self) -> Path:
        self._require_there()
        read_config(self.path)
        return self.path

    def has_chat_template(self) -> bool | None:
        return folder_has_chat_template(self.path)

    def local_folder(self, progress: Progress) -> Path:
        progress("checking the model's files")
        self.require_usable()
        return self.path

    def revision(self) -> str:
        return weights_fingerprint(self.path)

    def _require_there(self) -> None:
        if not self.path.is_dir():
            raise WorkbenchError(f"There is no folder {self.path}.", remedy="Check the path.", field="base_model")
