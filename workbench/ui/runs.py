"""The page of the runs: a list, and one of them live.

The page is an element of its own in the browser (``static/runs.js``) that asks the API for what is new. Nothing of a
run lives here, and a hidden page asks for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from workbench.ui.components.markup import markup

if TYPE_CHECKING:
    from workbench.services import Services


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page; which run it shows stands in its address."""
    markup("<lw-runs></lw-runs>")
