"""The calculator: trainable parameters and memory by pure arithmetic on a Blueprint, about a millisecond a question."""

from workbench.calculator.device import Device, this_device
from workbench.calculator.memory import Memory, Setting, inference_memory, training_memory
from workbench.calculator.parameters import count, module_names
from workbench.calculator.report import ParameterReport, parameter_report
from workbench.calculator.verdict import Change, Estimate, estimate

__all__ = [
    "Change",
    "Device",
    "Estimate",
    "Memory",
    "ParameterReport",
    "Setting",
    "count",
    "estimate",
    "inference_memory",
    "module_names",
    "parameter_report",
    "this_device",
    "training_memory",
]
