"""Adaptation methods, one file each: fields, parameter count, peft config, and what it cannot be combined with."""
