"""The playground: panes that talk to a base model and its adapters side by side. Torch-free: it asks an engine."""

from workbench.playground.records import Delta, PaneChoice, Sampling
from workbench.playground.service import Playground

__all__ = ["Delta", "PaneChoice", "Playground", "Sampling"]
