"""The calculator: trainable parameters and memory by pure arithmetic on a Blueprint, about a millisecond a question."""

from workbench.calculator.parameters import count, module_names

__all__ = ["count", "module_names"]
