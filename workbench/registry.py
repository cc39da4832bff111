"""The one pattern behind methods, formats, tasks, sources, executors and exporters: a package whose files each add one.

A file in the package defines a class with a class attribute ``kind`` and puts it into its registry by decoration;
the registry imports every file of the package the first time somebody asks. Adding one is adding one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, TypeVar

from workbench.errors import WorkbenchError

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one package, by ``kind``, in the order of their ``order`` attribute and then by name."""

    def __init__(self, package: str, noun: str) -> None:
        self.package = package
        self.noun = noun
        self._entries: dict[str, type[T]] = {}
        self._complete = False

    def add(self, kind: str) -> _Adder[T]:
        """A decorator that puts the class under `kind`."""
        return _Adder(self, kind)

    def kinds(self) -> tuple[str, ...]:
        """Every kind there is."""
        self._import_all()
        return tuple(sorted(self._entries, key=lambda kind: (getattr(self._entries[kind], "order", 100), kind)))

    def get(self, kind: str) -> type[T]:
        """The class of `kind`; raises `WorkbenchError` that names those there are."""
        self._import_all()
        if kind not in self._entries:
            raise WorkbenchError(
                f"There is no {self.noun} “{kind}”.", remedy=f"Choose one of: {', '.join(self.kinds())}.", field="kind"
            )
        return self._entries[kind]

    def __iter__(self) -> Iterator[type[T]]:
        return (self._entries[kind] for kind in self.kinds())

    def _import_all(self) -> None:
        if self._complete:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        self._complete = True


class _Adder(Generic[T]):
    def __init__(self, registry: Registry[T], kind: str) -> None:
        self.registry = registry
        self.kind = kind

    def __call__(self, entry: type[T]) -> type[T]:
        if self.kind in self.registry._entries:
            raise ValueError(f"two classes name the {self.registry.noun} “{self.kind}”")
        self.registry._entries[self.kind] = entry
        return entry
