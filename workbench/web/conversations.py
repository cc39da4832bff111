"""What the playground page keeps and needs besides answers: the fields of sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from workbench.playground import Sampling

if TYPE_CHECKING:
    from workbench.services import Services


def router(services: Services) -> APIRouter:
    """The routes of the playground page that ask nobody for an answer."""
    api = APIRouter(prefix="/api")

    @api.get("/chat/fields")
    def fields() -> Any:
        """How answers are sampled: every field's title, help, bounds and default, as a JSON schema's properties."""
        return Sampling.model_json_schema()["properties"]

    return api
