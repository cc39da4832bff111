"""Looking for base models on the Hugging Face hub: what there is, how large, under which licence."""

from __future__ import annotations

from typing import Any

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.models.on_disk import offer
from workbench.records import Record

_ASKED = ["downloads", "likes", "gated", "safetensors", "tags"]
_PATIENCE = 5.0
"""Seconds that a card waits for the hub."""
_BYTES = {"F64": 8, "F32": 4, "I64": 8, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


class HubModel(Record):
    """One model that the hub offers."""

    reference: str
    downloads: int
    """In the last month."""
    likes: int
    licence: str
    gated: bool
    parameters: int
    """0 when the hub does not tell."""
    download_bytes: int
    """Of the weights; 0 when the hub does not tell."""
    safetensors: bool = True
    """Whether its weights come in that format, the only one that is loaded."""


def search_hub(text: str, home: Home, limit: int = 20) -> list[HubModel]:
    """Text-generating models whose name has `text` in it and that come as safetensors, the most downloaded first.

    Raises `WorkbenchError` beside ``base_model`` when the hub cannot be reached, naming what is on this machine.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, errors

    options: dict[str, Any] = {"filter": ["text-generation", "safetensors"], "sort": "downloads", "expand": _ASKED}
    try:
        return [_found(model) for model in HfApi().list_models(search=text, limit=limit, **options)]
    except (HTTPError, ConnectionError, errors.OfflineModeIsEnabled) as error:
        raise WorkbenchError(
            "The hub cannot be reached.",
            remedy=f"{offer(home)} Or try again with a connection.",
            field="base_model",
        ) from error


def hub_model(name: str) -> HubModel | None:
    """What the hub tells of ``org/name``; None when it cannot be reached or has no such model."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, errors

    try:
        told = HfApi().model_info(name, expand=[*_ASKED, "siblings"], timeout=_PATIENCE)  # type: ignore[list-item]
    except (HTTPError, ConnectionError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, errors.HFValidationError):
        return None
    offered = any(file.rfilename.endswith(".safetensors") for file in told.siblings or ())
    return _found(told).model_copy(update={"safetensors": offered})


def _found(model: Any) -> HubModel:
    licence = next((tag.removeprefix("license:") for tag in model.tags or () if tag.startswith("license:")), "")
    weights: dict[str, int] = model.safetensors.parameters if model.safetensors else {}
    return HubModel(
        reference=f"hub:{model.id}",
        downloads=model.downloads or 0,
        likes=model.likes or 0,
        licence=licence,
        gated=bool(model.gated),
        parameters=model.safetensors.total if model.safetensors else 0,
        download_bytes=sum(count * _BYTES.get(kind, 2) for kind, count in weights.items()),
    )
