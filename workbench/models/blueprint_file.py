"""A Blueprint as a small JSON file: layers that repeat are written once, with how often they occur.

A 70B model's 1,000 modules become 2 kB. Knows the file, not where Blueprints come from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench.presets import PRESETS
from workbench.records.base_models import Blueprint, Module

CACHE_FORMAT = 3
"""Part of the names of cached files: raised when a Blueprint learns something new, so that no old one is read."""
_MODULES = TypeAdapter(tuple[Module, ...])
"""Makes a thousand of them at once, several times as fast as one by one."""
_BLOCK = re.compile(r"(?P<stem>.*?\.)(?P<layer>\d+)\.(?P<rest>.+)")


def slug(reference: str) -> str:
    """A model's reference as a file name: ``hub:org/name`` becomes ``hub-org-name``, made unique by a short hash."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", reference).strip("-.")[-60:]
    return f"{readable}-{hashlib.sha256(reference.encode()).hexdigest()[:8]}"


def config_hash(config: dict[str, Any]) -> str:
    """16 hex digits that change with every field of a config that could change the model's shape."""
    told = {key: value for key, value in config.items() if key not in ("_name_or_path", "transformers_version")}
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_blueprint(blueprint: Blueprint, path: Path | None = None) -> Path:
    """Write it to `path`, or among the presets; replaces what is there only when all of it is written."""
    path = path or preset_path(blueprint.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(path.name + ".part")
    whole.write_text(json.dumps(_folded(blueprint), separators=(",", ":")) + "\n", encoding="utf-8")
    return whole.replace(path)


def read_blueprint_file(path: Path) -> Blueprint:
    """The Blueprint in the file at `path`; raises `OSError` or `ValueError` when there is none."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values["modules"] = _MODULES.validate_python(tuple(_unfolded(values["modules"])))
    return Blueprint.model_construct(**values)


def preset_path(reference: str) -> Path:
    """Where the Blueprint of a preset model lies."""
    return PRESETS / "blueprints" / f"{slug(reference)}.json"


def _folded(blueprint: Blueprint) -> dict[str, Any]:
    return {**blueprint.model_dump(exclude={"modules"}), "modules": list(_sections(blueprint.modules))}


def _sections(modules: Iterable[Module]) -> Iterator[dict[str, Any]]:
    """Modules outside layers one by one; a run of equal layers as ``{"stem", "first", "last", "modules"}``."""
    section: dict[str, Any] | None = None
    for stem, layer, block in _blocks(modules):
        if section is not None:
            repeats = layer is not None and (stem, layer, block) == (
                section["stem"],
                section["last"] + 1,
                section["modules"],
            )
            if repeats:
                section["last"] = layer
                continue
            yield section
            section = None
        if layer is None:
            yield from block
        else:
            section = {"stem": stem, "first": layer, "last": layer, "modules": block}
    if section is not None:
        yield section


def _blocks(modules: Iterable[Module]) -> Iterator[tuple[str, int | None, list[dict[str, Any]]]]:
    """Neighbouring modules of one layer together, their names without stem and number."""
    key: tuple[str, int | None] | None = None
    block: list[dict[str, Any]] = []
    for module in modules:
        found = _BLOCK.fullmatch(module.name) if module.layer is not None and module.tied_to is None else None
        place = (found["stem"], int(found["layer"])) if found and int(found["layer"]) == module.layer else ("", None)
        if place != key and block:
            assert key is not None
            yield (*key, block)
            block = []
        key = place
        values = module.model_dump(exclude_defaults=True)
        if found and place[1] is not None:
            values["name"] = found["rest"]
            del values["layer"]
        block.append(values)
    if block and key is not None:
        yield (*key, block)


def _unfolded(sections: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for section in sections:
        if "stem" not in section:
            yield section
            continue
        for layer in range(section["first"], section["last"] + 1):
            start = f"{section['stem']}{layer}."
            for values in section["modules"]:
                yield {**values, "name": start + values["name"], "layer": layer}
