"""The HTTP API of base models: what there is, what the hub offers, downloads, and configs without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Query

from workbench.models.downloads import Download
from workbench.models.search import HubModel
from workbench.records.base_models import BaseModelCard

if TYPE_CHECKING:
    from workbench.services import Services

Reference = Annotated[str, Body(embed=True, min_length=1)]


def router(services: Services) -> APIRouter:
    """The routes, to be mounted beside those of `workbench.web.api`."""
    routes = APIRouter(prefix="/api/models", tags=["models"])

    @routes.get("")
    def models() -> list[BaseModelCard]:
        """The base models to choose from."""
        return services.models.cards()

    @routes.get("/search")
    def search(query: Annotated[str, Query(min_length=1, max_length=200)]) -> list[HubModel]:
        """Models of the hub whose name has the query in it, the most downloaded first."""
        return services.models.search(query)

    @routes.get("/downloads")
    def downloads() -> list[Download]:
        """Downloads since the server started, each with its progress."""
        return services.models.downloads.all()

    @routes.post("/downloads", status_code=202)
    def start(reference: Reference) -> Download:
        """Begin a download, or go on with one."""
        return services.models.downloads.start(reference)

    @routes.post("/downloads/stop", status_code=204)
    def stop(reference: Reference) -> None:
        """Stop a download; what it has fetched is kept for the next attempt."""
        services.models.downloads.stop(reference)

    return routes
