"""The page of the machine: processor, memory, graphics cards, and what lies on the disk.

The page is an element of its own in the browser (``static/system.js``) that asks the API for what is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from workbench.ui.components.markup import markup

if TYPE_CHECKING:
    from workbench.services import Services


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page."""
    markup("<lw-system></lw-system>")
