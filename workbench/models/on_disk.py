"""Which base models lie on this machine, ready without a network."""

from __future__ import annotations

from workbench.home import Home
from workbench.models.conversion import read_manifest
from workbench.models.hub_cache import cached_repositories
from workbench.models.presets import preset_models
from workbench.models.source import open_source


def references_on_disk(home: Home) -> list[str]:
    """Presets that are ready, then what was converted before, then what the hub's cache holds; each once."""
    presets = [preset.reference for preset in preset_models() if open_source(preset.reference, home).ready()]
    manifests = (read_manifest(folder) for folder in sorted(home.models.iterdir()) if folder.is_dir())
    converted = [manifest.reference for manifest in manifests if manifest is not None]
    cached = [f"hub:{repository}" for repository in cached_repositories()]
    return list(dict.fromkeys([*presets, *converted, *cached]))


def offer(home: Home) -> str:
    """A remedy that names what can be used instead: ``On this machine are: …``."""
    names = references_on_disk(home)
    return f"On this machine are: {', '.join(names)}." if names else "No base model lies on this machine yet."
