"""LoRA Workbench: fine-tune language models with low-rank adapters, in the browser or from the command line."""

__version__ = "0.1.0"
