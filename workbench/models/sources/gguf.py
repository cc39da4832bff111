"""A base model in a GGUF file: its weights are turned into safetensors once, and kept under the workbench home."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from workbench.errors import WorkbenchError
from workbench.models.conversion import converted, is_converted, require_gguf
from workbench.models.source import SOURCES, Progress, Source


@SOURCES.add("gguf")
class GgufSource(Source):
    """``gguf:/path/to/file.gguf``"""

    kind: ClassVar[str] = "gguf"
    title: ClassVar[str] = "GGUF file"
    example: ClassVar[str] = "gguf:/path/to/file.gguf"
    order: ClassVar[int] = 3

    @property
    def path(self) -> Path:
        """The file itself."""
        return Path(self.name).expanduser()

    def ready(self) -> bool:
        return is_converted(self.reference, self.home) or self._readable()

    def config_path(self) -> Path:
        require_gguf(self.path)
        return self.path

    def local_folder(self, progress: Progress) -> Path:
        return converted(self.path, self.reference, self.home, progress).folder

    def revision(self) -> str:
        return converted(self.path, self.reference, self.home).source_hash

    def _readable(self) -> bool:
        try:
            require_gguf(self.path)
        except WorkbenchError:
            return False
        return True
