"""The page of the data: the library, what is wrong with a file, and each row as the model will see it.

The page is an element of its own in the browser (``static/data.js``) that asks the API of ``web/data.py``. What it
shows stands in its address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from workbench.ui.components.markup import markup

if TYPE_CHECKING:
    from workbench.services import Services


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page."""
    markup("<lw-data></lw-data>")
