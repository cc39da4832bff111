"""All pages as one gradio app on the server: routes, theme, styles and scripts."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

# Gradio asks an outside server for its version unless this is said before it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from gradio.components.navbar import Navbar

from workbench.ui import data, playground, runs, system, train
from workbench.ui.components.header import header
from workbench.ui.theme import theme

if TYPE_CHECKING:
    from workbench.services import Services
    from workbench.web.options import ServeOptions

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("data.js", "models.js", "count.js", "range_test.js", "runs.js", "playground.js", "system.js", "page.js")
STYLES = (
    "workbench.css",
    "tables.css",
    "controls.css",
    "train.css",
    "data.css",
    "runs.css",
    "playground.css",
    "playground_answers.css",
    "playground_saved.css",
    "playground_votes.css",
    "playground_batch.css",
)

QUEUE_SECONDS = 0.01
"""Between two looks of gradio's queue for something to do; its own millisecond costs an idle server 8 % of a core."""

Page = Callable[["Services", gr.Blocks], None]
PAGES: tuple[tuple[str, Page], ...] = (
    ("Train", train.page),
    ("Data", data.page),
    ("Runs", runs.page),
    ("Playground", playground.page),
    ("System", system.page),
)


def mount(app: FastAPI, services: Services, options: ServeOptions) -> None:
    """Put the pages on `app`, behind every route that it has already."""
    _serve_files(app)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SSR mode is not supported")  # nobody asked for it
        _mount(app, services, options)


def _mount(app: FastAPI, services: Services, options: ServeOptions) -> None:
    gr.mount_gradio_app(
        app,
        build(services),
        path="/",
        server_name=options.host,
        server_port=options.port,
        root_path=options.root_path or None,
        max_file_size=options.max_upload,
        theme=theme(),
        head=_head(),
        run_history=False,
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
    )


def build(services: Services) -> gr.Blocks:
    """The gradio app: the first page at the root, each other one under its name."""
    (first, first_page), *others = PAGES
    site = gr.Blocks(title="LoRA Workbench", analytics_enabled=False, fill_width=True)
    with site:
        _place(first, first_page, services, site)
    for name, page in others:
        with site.route(name, f"/{name.lower()}", show_in_navbar=False):
            _place(name, page, services, site)
    site._queue.sleep_when_free = QUEUE_SECONDS
    return site


def _place(name: str, page: Page, services: Services, site: gr.Blocks) -> None:
    Navbar(visible=False)
    header(name)
    with gr.Column(elem_classes="lw-page"):
        page(services, site)


def _head() -> str:
    scripts = "".join(f'<script type="module" src="ui/{name}"></script>' for name in SCRIPTS)
    styles = "".join(f'<link rel="stylesheet" href="ui/{name}">' for name in STYLES)
    return f"{styles}{scripts}"


def _serve_files(app: FastAPI) -> None:
    @app.get("/ui/plotly.min.js", include_in_schema=False)
    def plotly() -> FileResponse:
        return FileResponse(_plotly_script(), media_type="text/javascript", headers={"cache-control": "max-age=86400"})

    app.mount("/ui", StaticFiles(directory=STATIC), name="ui")


def _plotly_script() -> Path:
    """The browser's half of plotly lies in its Python package; the package itself is not imported for it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("plotly is not installed")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"
