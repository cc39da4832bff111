"""Whether a folder holds a model that can be loaded safely: config, tokenizer, whole safetensors files, no code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from workbench.adapter_folder import CHANGED_WEIGHTS, PEFT_WEIGHTS, base_named_by, holds_adapter
from workbench.errors import WorkbenchError

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_HEADER_LIMIT = 100_000_000
"""The safetensors format's own limit for its header, in bytes."""


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of the folder's ``config.json``; raises `WorkbenchError` when there are none."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if holds_adapter(folder):
            raise _an_adapter(folder) from None
        raise _refused(f"{folder} holds no config.json.", "Name the folder that holds the model's files.") from None
    except (ValueError, OSError) as error:
        raise _refused(f"{path} cannot be read: {error}.", "Copy the file anew.") from error
    if not isinstance(values, dict) or not values.get("model_type"):
        raise _refused(f"{path} names no model_type.", "Add it, or name the folder of a transformers model.")
    return values


def require_loadable(folder: Path) -> None:
    """Raise `WorkbenchError` unless the folder can be loaded as it is."""
    read_config(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if holds_adapter(folder) and {path.name for path in weights} <= {PEFT_WEIGHTS, CHANGED_WEIGHTS}:
        raise _an_adapter(folder)
    if not weights:
        raise _without_safetensors(folder)
    require_all_shards(folder)
    for path in weights:
        require_whole(path)
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise _refused(f"{folder} holds no tokenizer.", "Copy the tokenizer's files beside the weights.")


def _an_adapter(folder: Path) -> WorkbenchError:
    base = base_named_by(folder)
    instead = f"Name its base model, {base}" if base else "Name its base model"
    return _refused(
        f"{folder} holds an adapter, not a base model.",
        f"{instead}; a run can continue the adapter's own run, and the playground talks to it.",
    )


def _without_safetensors(folder: Path) -> WorkbenchError:
    pickled = next((path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.h5") for path in folder.glob(pattern)), None)
    if pickled is None:
        return _refused(f"{folder} holds no weights.", "Copy the model's safetensors files into it.")
    return _refused(
        f"{folder} holds its weights only as {pickled}, a format that can run code when it is loaded.",
        "Use a safetensors copy of this model.",
    )


def require_all_shards(folder: Path) -> None:
    """Raise `WorkbenchError` when the folder's index names a weights file that is not there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(f"{index} cannot be read.", "Copy the file anew.") from error
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing:
        raise _refused(f"{folder} lacks {', '.join(missing[:3])} of its weights.", "Copy the missing files.")


def require_whole(path: Path) -> None:
    """Raise `WorkbenchError` when a safetensors file is shorter than its own header says."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(_HEADER_LIMIT, size):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        needed = (
            8
            + length
            + max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(f"{path} is not a whole safetensors file: {error}.", "Copy or download it anew.") from error
    if size != needed:
        raise _refused(f"{path} is cut off: it has {size:,} of {needed:,} bytes.", "Copy or download it anew.")


def folder_has_chat_template(folder: Path) -> bool:
    """Whether the tokenizer in `folder` brings a chat template: in a file of its own, or in its config."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        values = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return False
    return isinstance(values, dict) and bool(values.get("chat_template"))


def weights_fingerprint(folder: Path) -> str:
    """16 hex digits of the config's content and of the name, size and header of every weights file."""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            head = file.read(1 << 20)
            file.seek(max(0, path.stat().st_size - (1 << 20)))
            digest.update(f"{path.name}:{path.stat().st_size}:".encode() + head + file.read())
    return digest.hexdigest()[:16]


def _refused(message: str, remedy: str) -> WorkbenchError:
    return WorkbenchError(message, remedy=remedy, field="base_model")
