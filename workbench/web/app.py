"""The ASGI app: the API first, the pages after it, the guards around both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from workbench import __version__
from workbench.web import (
    adapters,
    api,
    batch,
    chat,
    conversations,
    data,
    endpoint,
    live,
    models,
    range_tests,
    run_actions,
    runs,
    system,
    votes,
)
from workbench.web.guards import HostGuard, OriginGuard, PolicyHeaders, UploadCap
from workbench.web.login import LoginGuard
from workbench.web.options import ServeOptions

if TYPE_CHECKING:
    from workbench.services import Services

ROOMS = (
    api,
    runs,
    run_actions,
    live,
    system,
    chat,
    conversations,
    votes,
    batch,
    endpoint,
    adapters,
    data,
    models,
    range_tests,
)


def build_app(services: Services, options: ServeOptions) -> FastAPI:
    """Everything that is served, over `services`."""
    from workbench.ui import mount

    app = FastAPI(
        title="LoRA Workbench",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    api.refusals(app)
    for room in ROOMS:
        app.include_router(room.router(services))
    mount(app, services, options)
    _guard(app, options)
    return app


def _guard(app: FastAPI, options: ServeOptions) -> None:
    """The last one added is the first one asked."""
    app.add_middleware(UploadCap, options=options)
    if options.login is not None:
        app.add_middleware(LoginGuard, options=options)
    app.add_middleware(OriginGuard, options=options)
    app.add_middleware(HostGuard, options=options)
    app.add_middleware(PolicyHeaders)
