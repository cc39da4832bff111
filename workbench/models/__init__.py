"""Base models: which there are, what they look like, and their files on this machine. Free of torch to import."""

from workbench.models.service import Models
from workbench.models.source import Progress

__all__ = ["Models", "Progress"]
