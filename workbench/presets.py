"""Where the data lies that comes with the workbench: models, recipes, samples. Reads none of it."""

from __future__ import annotations

from pathlib import Path

PRESETS = Path(__file__).resolve().parent.parent / "presets"
"""The checkout's ``presets/``; an editable installation points at the same folder."""
