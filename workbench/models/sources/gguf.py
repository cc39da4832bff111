"""A base model in a GGUF file: its weights are turned into safetensors once, and kept under the workbench home."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from workbench.models.conversion import converted, folder_of, is_converted
from workbench.models.gguf_header import require_whole_gguf
from workbench.models.safetensors_folder import folder_has_chat_template
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

    def require_usable(self) -> None:
        if not is_converted(self.reference, self.home):
            require_whole_gguf(self.path)

    def config_path(self) -> Path:
        require_whole_gguf(self.path)
        return self.path

    def has_chat_template(self) -> bool | None:
        if is_converted(self.reference, self.home):
            return folder_has_chat_template(folder_of(self.reference, self.home))
        return "tokenizer.chat_template" in require_whole_gguf(self.path).keys

    def local_folder(self, progress: Progress) -> Path:
        return converted(self.path, self.reference, self.home, progress).folder

    def revision(self) -> str:
        return converted(self.path, self.reference, self.home).source_hash
