"""What a base model source is, and how a reference such as ``hub:org/name`` becomes one. No torch."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.registry import Registry


class Progress(Protocol):
    """Told what is being done, in words, and which share of it is done when that is known."""

    def __call__(self, detail: str, done: float | None = None) -> None: ...


def silent(detail: str, done: float | None = None) -> None:
    """A `Progress` for callers whom it does not interest."""


class Source(ABC):
    """One base model, named by what follows the kind in its reference. One file a kind in ``sources/``."""

    kind: ClassVar[str]
    title: ClassVar[str]
    example: ClassVar[str]
    order: ClassVar[int] = 100

    def __init__(self, name: str, home: Home) -> None:
        self.name = name
        self.home = home

    @property
    def reference(self) -> str:
        """``kind:name``."""
        return f"{self.kind}:{self.name}"

    def ready(self) -> bool:
        """Whether its weights lie on this machine, loadable; quick, and never over the network."""
        try:
            self.require_usable()
        except (WorkbenchError, OSError):
            return False
        return True

    @abstractmethod
    def require_usable(self) -> None:
        """Raise `WorkbenchError` if it is known now, without the network, that no run can begin from it."""

    def fetch(self, progress: Progress) -> None:
        """Bring onto this machine what lies elsewhere; nothing for what is here. Imports no torch."""
        self.require_usable()

    def has_chat_template(self) -> bool | None:
        """Whether its tokenizer brings a chat template; None when that is not known without the network."""
        return None

    @abstractmethod
    def config_path(self) -> Path:
        """A folder with its ``config.json``, or its GGUF file; fetches no weights."""

    def config_state(self) -> str:
        """16 hex digits that change when the config does; raises `WorkbenchError` when there is none."""
        path = self.config_path()
        if path.is_dir():
            return hashlib.sha256((path / "config.json").read_bytes()).hexdigest()[:16]
        status = path.stat()
        return hashlib.sha256(f"{path}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:16]

    @abstractmethod
    def local_folder(self, progress: Progress) -> Path:
        """A folder with its config, tokenizer and safetensors weights, made or fetched if need be."""

    @abstractmethod
    def revision(self) -> str:
        """What tells this state of the model from another: a commit, or a hash of its content."""


SOURCES: Registry[Source] = Registry("workbench.models.sources", "model source")


def open_source(reference: str, home: Home) -> Source:
    """The source that `reference` names; raises `WorkbenchError` that lists the kinds there are."""
    kind, colon, name = reference.partition(":")
    if not colon or not name or kind not in SOURCES.kinds():
        examples = ", ".join(source.example for source in SOURCES)
        raise WorkbenchError(
            f"“{reference}” does not name a base model.",
            remedy=f"Write its kind and its name, such as {examples}.",
            field="base_model",
        )
    return SOURCES.get(kind)(name, home)
