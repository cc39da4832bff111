"""The page where base model and adapters answer side by side.

The page is an element of its own in the browser (``static/playground.js``): each pane streams from ``/api/chat`` by
itself, so that all answer at once and closing one ends its generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from workbench.ui.components.markup import markup

if TYPE_CHECKING:
    from workbench.services import Services


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page."""
    markup("<lw-playground></lw-playground>")
