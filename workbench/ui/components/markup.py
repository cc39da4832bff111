"""A place for own markup on a page, without gradio's styles for prose."""

from __future__ import annotations

import gradio as gr


def markup(text: str = "") -> gr.HTML:
    """Place `text`, which is HTML: whatever a user wrote has to be escaped in it."""
    return gr.HTML(text, apply_default_css=False)
