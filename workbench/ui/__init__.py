"""The pages. Gradio lives here and nowhere else; whatever a page knows it asks of the services."""

from workbench.ui.site import mount

__all__ = ["mount"]
