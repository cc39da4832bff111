"""Whether a folder holds an adapter that this base model can take: seen from its config and its weights' header alone.

Torch-free: a safetensors file tells names and shapes in its first bytes. The engine looks once more when it reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.adapter_folder import missing_modules
from workbench.errors import Problem, WorkbenchError
from workbench.models.safetensors_folder import require_whole
from workbench.records.base_models import Blueprint

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
KEPT = (CONFIG, WEIGHTS, "chat_template.jinja", "tokenizer_config.json")
"""What is kept of an adapter: its config, its weights and its chat template; nothing that is not data."""
_PART = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?:embedding_)?(?P<part>A|B)(?:\.weight)?")
_SHOWN = 3


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """peft's config in `folder`; raises `WorkbenchError` when this is no adapter, or one that must not be read."""
    if not (folder / CONFIG).is_file():
        if (folder / "config.json").is_file():
            raise _refused("This is a whole model, not an adapter.", "Add it as a merged model, or as a base model.")
        raise _refused(f"This is no adapter: there is no {CONFIG}.", "Give what peft's save_pretrained has written.")
    if not (folder / WEIGHTS).is_file():
        pickled = next((path.name for kind in ("*.bin", "*.pt", "*.pth", "*.pkl") for path in folder.glob(kind)), "")
        if pickled:
            raise _refused(
                f"The adapter's weights come only as {pickled}, a format that can run code when it is read.",
                "Convert them to safetensors where the adapter was made.",
            )
        raise _refused(f"The adapter has no {WEIGHTS}.", "Copy that file beside its config.")
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(f"{CONFIG} cannot be read: {error}.", "Copy the file anew.") from error
    if not isinstance(values, dict) or not isinstance(values.get("peft_type"), str):
        raise _refused(f"{CONFIG} names no peft_type.", "Give what peft's save_pretrained has written.")
    return values


def require_fit(folder: Path, blueprint: Blueprint) -> None:
    """Raise `WorkbenchError` with names and shapes unless every adapted module is in the base model, as wide."""
    shapes = _shapes(folder / WEIGHTS)
    modules = {module.name: module for module in blueprint.modules}
    given: dict[str, dict[str, list[int]]] = {}
    for key, shape in shapes.items():
        match = _PART.fullmatch(key)
        if match is not None:
            given.setdefault(match["module"], {})[match["part"]] = shape
    others = [key for key in shapes if not _PART.fullmatch(key)]
    problems = [f"{blueprint.model} has no module “{name}”." for name in missing_modules(others, modules)]
    for name, pair in given.items():
        module = modules.get(name)
        if module is None:
            problems.append(f"{blueprint.model} has no module “{name}”.")
        elif module.kind in ("linear", "conv1d", "embedding") and {"A", "B"} <= pair.keys():
            wide = (pair["A"][-1], pair["B"][0])
            if wide != (module.in_features, module.out_features):
                problems.append(
                    f"“{name}” is {module.in_features} × {module.out_features} in {blueprint.model}, "
                    f"but {wide[0]} × {wide[1]} in the adapter."
                )
    if problems:
        raise _other_base(problems)


def _other_base(problems: list[str]) -> WorkbenchError:
    more = [f"{len(problems) - _SHOWN} more modules do not fit."] if len(problems) > _SHOWN else []
    first = Problem(
        "The adapter belongs to another base model.", "Pick the base model it was trained on.", "base_model"
    )
    return WorkbenchError.of([first, *(Problem(told, "", "base_model") for told in problems[:_SHOWN] + more)])


def _shapes(weights: Path) -> Mapping[str, list[int]]:
    """Name and shape of each tensor, from the file's header; raises `WorkbenchError` for a damaged file."""
    try:
        require_whole(weights)
    except WorkbenchError as error:
        told = f"{WEIGHTS} is damaged or cut off."
        raise _refused(told, "Copy or download it anew.") from error
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


def _refused(message: str, remedy: str) -> WorkbenchError:
    return WorkbenchError(message, remedy=remedy, field="adapter")
