"""The frozen base weights in 8 or 4 bit, by bitsandbytes: what its loader is asked for, and how wide a weight is then.

On a GPU the adapter learns over packed weights as QLoRA does (Dettmers et al. 2023, section 3). On a CPU the same code
saves memory and no time.
"""

from __future__ import annotations

import logging
from typing import Any

from torch import nn

from workbench.training.machine import Machine
from workbench.training_config import TrainingConfig


def loading_options(training: TrainingConfig, machine: Machine) -> dict[str, Any]:
    """Arguments of ``from_pretrained`` that pack the weights; none for weights that stay as they are."""
    if training.quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    if training.quantization == "int8":
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it would warn of its rounding at every product
        packing = BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    else:
        packing = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=training.quantization == "nf4-double",
            bnb_4bit_compute_dtype=machine.dtype,
        )
    return {"quantization_config": packing, "device_map": {"": machine.device}}


def weights_in(parameter: nn.Parameter) -> int:
    """How many weights a parameter stands for: two a byte where they are packed in 4 bit."""
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else parameter.numel()
