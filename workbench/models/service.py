"""The base models a user can pick, with a card and a Blueprint each; the service that pages and commands call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.blueprint_file import CACHE_FORMAT, preset_path, read_blueprint_file, slug, write_blueprint
from workbench.models.on_disk import references_on_disk
from workbench.models.presets import PresetModel, preset_model, preset_models
from workbench.models.search import HubModel, search_hub
from workbench.models.source import open_source
from workbench.records import BaseModelCard, Blueprint

ReadBlueprint = Callable[[str], Blueprint]


class Models:
    """Knows presets and disk; asks `read_blueprint`, the engine, for the shape of a model it has never seen."""

    def __init__(self, home: Home, read_blueprint: ReadBlueprint | None = None) -> None:
        self.home = home
        self._read_blueprint = read_blueprint
        self._known: dict[tuple[str, str], Blueprint] = {}
        self._lock = threading.Lock()

    def cards(self) -> list[BaseModelCard]:
        """The presets in their order, then what else lies on this machine."""
        presets = [preset.reference for preset in preset_models()]
        return [self.card(reference) for reference in dict.fromkeys([*presets, *references_on_disk(self.home)])]

    def card(self, reference: str) -> BaseModelCard:
        """What a user should know of the model before picking it; raises `WorkbenchError` for a malformed reference."""
        ready = open_source(reference, self.home).ready()
        preset = preset_model(reference)
        if preset is not None:
            return _preset_card(preset, ready)
        known = next((found for (name, _), found in self._known.items() if name == reference), None)
        return BaseModelCard(
            reference=reference,
            name=reference.partition(":")[2],
            licence="",
            parameters=known.parameters if known else 0,
            download_bytes=0,
            gated=False,
            note="On this machine." if ready else "",
            ready=ready,
        )

    def search(self, text: str, limit: int = 20) -> list[HubModel]:
        """What the hub offers under that name; raises `WorkbenchError` when it cannot be reached."""
        return search_hub(text, self.home, limit)

    def blueprint(self, reference: str) -> Blueprint:
        """Its Blueprint: shipped with the presets, else read before, else asked of the engine, and kept.

        Raises `WorkbenchError` beside ``base_model`` when the model cannot be found or read.
        """
        shipped = preset_path(reference)
        if shipped.is_file():
            return self._remembered(reference, "shipped", shipped)
        state = open_source(reference, self.home).config_state()
        cached = self.home.blueprints / f"{slug(reference)}-{state}.{CACHE_FORMAT}.json"
        try:
            return self._remembered(reference, state, cached)
        except (OSError, ValueError, KeyError):  # never read, or damaged
            write_blueprint(self._asked(reference), cached)
        return self._remembered(reference, state, cached)

    def _asked(self, reference: str) -> Blueprint:
        if self._read_blueprint is None:
            raise WorkbenchError(
                f"The shape of {reference} is not known yet, and no engine is at hand to read it.",
                remedy="Choose one of the presets, or start the server.",
                field="base_model",
            )
        return self._read_blueprint(reference)

    def _remembered(self, reference: str, state: str, path: Path) -> Blueprint:
        with self._lock:
            if (reference, state) not in self._known:
                self._known[reference, state] = read_blueprint_file(path)
            return self._known[reference, state]


def _preset_card(preset: PresetModel, ready: bool) -> BaseModelCard:
    return BaseModelCard(
        reference=preset.reference,
        name=preset.name,
        licence=preset.licence,
        parameters=preset.parameters,
        download_bytes=0 if ready else preset.download_bytes,
        gated=preset.gated,
        note=preset.note,
        ready=ready,
    )
