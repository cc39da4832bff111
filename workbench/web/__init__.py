"""The server: guards, the HTTP API, and the pages, as one ASGI app over the services."""

from workbench.web.app import build_app
from workbench.web.options import ServeOptions

__all__ = ["ServeOptions", "build_app"]
