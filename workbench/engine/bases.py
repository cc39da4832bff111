"""Which base models are in memory: loaded when first asked for, one loading at a time, the idle ones let go."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.apart import apart
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.imports import without
from workbench.protocol.engine import EnginePhase, LoadedModel
from workbench.runs.at_work import at_work

if TYPE_CHECKING:
    from workbench.engine.base import Base

LOG = logging.getLogger(__name__)
IDLE_SECONDS = 15 * 60.0


@dataclass
class _State:
    phase: EnginePhase
    detail: str = ""
    done: float | None = None


class Bases:
    """The base models of one engine."""

    def __init__(self, home: Home, idle_seconds: float = IDLE_SECONDS) -> None:
        self._home = home
        self._idle_seconds = idle_seconds
        self._bases: dict[str, Base] = {}
        self._states: dict[str, _State] = {}
        self._tokenizers: dict[str, Any] = {}
        self._unwanted: dict[str, str] = {}
        """Base models that are to go as soon as their answers are complete, with the reason."""
        self._loading = threading.Lock()

    def get(self, reference: str) -> Base:
        """The base model, loaded; blocks while that takes. Raises `WorkbenchError` when it cannot be had."""
        base = self._bases.get(reference)
        if base is not None:
            base.owner.last_used = time.monotonic()
            return base
        with self._loading:
            if reference not in self._bases:
                self.release_idle(1.0, "another base model was asked for")
                self._bases[reference] = self._load(reference)
            return self._bases[reference]

    def tokenizer(self, reference: str) -> Any:
        """Its tokenizer alone, without its weights."""
        if reference in self._bases:
            return self._bases[reference].tokenizer
        if reference not in self._tokenizers:
            with self._loading:
                from workbench.engine.base import load_tokenizer

                self._tokenizers[reference] = load_tokenizer(self._fetch(reference))
                self._states.pop(reference, None)
        return self._tokenizers[reference]

    def folder(self, reference: str) -> Path:
        """Its files on this machine, fetched if need be."""
        with self._loading:
            folder = self._fetch(reference)
            if reference not in self._bases:
                self._states.pop(reference, None)
            return folder

    def models(self) -> tuple[LoadedModel, ...]:
        """Each base model that is in memory, or on its way."""
        return tuple(self._describe(reference, state) for reference, state in list(self._states.items()))

    def busy(self) -> bool:
        """Whether an answer is being written, or waits to be."""
        return any(base.owner.rows + base.owner.waiting for base in list(self._bases.values()))

    def release_idle(self, seconds: float | None = None, reason: str = "") -> None:
        """Let go of base models that nobody has talked to for `seconds`."""
        limit = self._idle_seconds if seconds is None else seconds
        for reference, base in list(self._bases.items()):
            idle = time.monotonic() - base.owner.last_used
            if idle >= limit:
                self._release(reference, base, reason or f"nobody talked to it for {idle / 60:.0f} minutes")

    def release_all(self, reason: str) -> None:
        """Let go of every base model: at once where nothing is being written, the others by `release_unwanted`."""
        for reference in list(self._bases):
            self._unwanted[reference] = reason
        self.release_unwanted()

    def release_unwanted(self) -> None:
        """Let go of what is to go and has come to rest."""
        for reference, reason in list(self._unwanted.items()):
            base = self._bases.get(reference)
            if base is not None:
                self._release(reference, base, reason)

    def _release(self, reference: str, base: Base, reason: str) -> None:
        """Unload `base` unless an answer is being written."""
        if base.owner.rows + base.owner.waiting > 0:
            return
        from workbench.engine.base import release

        LOG.info("unloading %s: %s", reference, reason)
        self._unwanted.pop(reference, None)
        del self._bases[reference]
        self._say(reference, EnginePhase.UNLOADED, reason)
        release(base)

    def _load(self, reference: str) -> Base:
        try:
            gone = self._states.get(reference)
            again = f" again: {gone.detail}" if gone and gone.phase == EnginePhase.UNLOADED else ""
            folder = self._fetch(reference)
            self._say(reference, EnginePhase.LOADING_MODEL, "starting torch")
            with without("bitsandbytes", "datasets", "scipy"):
                from workbench.engine.base import Base

            self._say(reference, EnginePhase.LOADING_MODEL, f"reading the weights{again}")
            base = apart(lambda: Base(reference, folder, partial(at_work, self._home)))
        except WorkbenchError as error:
            self._say(reference, EnginePhase.FAILED, error.message)
            raise
        self._say(reference, EnginePhase.READY)
        return base

    def _fetch(self, reference: str) -> Path:
        from workbench.models.fetch import local_folder

        def progress(detail: str, done: float | None = None) -> None:
            self._say(reference, EnginePhase.FETCHING_MODEL, detail, done)

        return local_folder(reference, self._home, progress)

    def _say(self, reference: str, phase: EnginePhase, detail: str = "", done: float | None = None) -> None:
        self._states[reference] = _State(phase, detail, done)

    def _describe(self, reference: str, state: _State) -> LoadedModel:
        base = self._bases.get(reference)
        return LoadedModel(
            reference=reference,
            phase=state.phase,
            detail=state.detail,
            done=state.done,
            adapters=base.adapters if base else (),
            rows=base.owner.rows if base else 0,
            written=base.owner.written if base else 0,
            waiting=base.owner.waiting if base else 0,
        )
