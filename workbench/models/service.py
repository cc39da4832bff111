"""The base models a user can pick, with a card and a Blueprint each; the service that pages and commands call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.blueprint_file import CACHE_FORMAT, preset_path, read_blueprint_file, slug, write_blueprint
from workbench.models.downloads import Downloads
from workbench.models.on_disk import references_on_disk
from workbench.models.presets import PresetModel, preset_model, preset_models
from workbench.models.search import HubModel, hub_model, search_hub
from workbench.models.source import Source, open_source
from workbench.models.sources.config import forget, names_written_down, write_down
from workbench.models.sources.hub import without_safetensors
from workbench.records.base_models import BaseModelCard, Blueprint

ReadBlueprint = Callable[[str], Blueprint]


class Models:
    """Knows presets and disk; asks `read_blueprint`, the engine, for the shape of a model it has never seen."""

    def __init__(self, home: Home, read_blueprint: ReadBlueprint | None = None) -> None:
        self.home = home
        self._read_blueprint = read_blueprint
        self.downloads = Downloads(home)
        self._known: dict[tuple[str, str], Blueprint] = {}
        self._lock = threading.Lock()

    def cards(self, recent: Iterable[str] = ()) -> list[BaseModelCard]:
        """The `recent` ones first, then the presets in their order, then what else lies on this machine."""
        presets = (preset.reference for preset in preset_models())
        written = (f"config:{name}" for name in names_written_down(self.home))
        references = dict.fromkeys([*recent, *presets, *references_on_disk(self.home), *written])
        return [self._card(open_source(reference, self.home)) for reference in references]

    def card(self, reference: str) -> BaseModelCard:
        """What a user should know of the model before picking it.

        A hub model that is not here is asked of the hub, if that can be reached. Raises `WorkbenchError` for a
        malformed reference.
        """
        source = open_source(reference, self.home)
        card = self._card(source)
        if card.ready or source.kind != "hub" or preset_model(reference) is not None:
            return card
        offered = hub_model(source.name)
        return card if offered is None else _hub_card(card, offered)

    def _card(self, source: Source) -> BaseModelCard:
        """What is known of it without the network."""
        obstacle = _obstacle(source)
        ready = not obstacle and source.ready()
        preset = preset_model(source.reference)
        if preset is not None:
            return _preset_card(preset, ready)
        known = next((found for (name, _), found in self._known.items() if name == source.reference), None)
        return BaseModelCard(
            reference=source.reference,
            name=source.name,
            licence="",
            parameters=known.parameters if known else 0,
            download_bytes=0,
            gated=False,
            note="",
            ready=ready,
            chat_template=None if obstacle else source.has_chat_template(),
            obstacle=obstacle,
        )

    def require_usable(self, reference: str) -> None:
        """Raise `WorkbenchError` beside ``base_model`` if it is known now that no run can begin from it."""
        open_source(reference, self.home).require_usable()

    def search(self, text: str, limit: int = 20) -> list[HubModel]:
        """What the hub offers under that name; raises `WorkbenchError` when it cannot be reached."""
        return search_hub(text, self.home, limit)

    def write_down(self, config: str, name: str = "") -> str:
        """Keep a config without weights; returns the reference of the model that it describes.

        Raises `WorkbenchError` beside ``config`` when it is none that transformers can build, and keeps nothing.
        """
        reference = write_down(config, name, self.home)
        try:
            self.blueprint(reference)
        except WorkbenchError as error:
            forget(reference, self.home)
            raise WorkbenchError(error.message, remedy=error.remedy, field="config") from error
        return reference

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


def _obstacle(source: Source) -> str:
    try:
        source.require_usable()
    except WorkbenchError as error:
        return f"{error.message} {error.remedy}".strip()
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    return ""


def _hub_card(card: BaseModelCard, offered: HubModel) -> BaseModelCard:
    """The card with what the hub tells."""
    told = {
        "licence": offered.licence,
        "parameters": offered.parameters or card.parameters,
        "download_bytes": offered.download_bytes,
        "gated": offered.gated,
        "obstacle": "" if offered.safetensors else str(without_safetensors(card.name)),
    }
    return card.model_copy(update=told)


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
        chat_template=preset.chat_template,
    )
