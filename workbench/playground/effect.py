"""Why an adapter may change nothing: what its files, its run and its strength say. Torch-free, reads a few bytes.

Whether it changes anything is the engine's to say, by probabilities; this only looks for the cause.
"""

from __future__ import annotations

import contextlib
import json
import mmap
from pathlib import Path

from workbench.adapter_folder import PEFT_WEIGHTS, PREFIX_PART, weights_of
from workbench.errors import Problem, WorkbenchError
from workbench.home import Home
from workbench.protocol.model_ids import ModelId
from workbench.runs import Runs

SECOND_FACTORS = ("lora_B", "lora_embedding_B", "hada_w2_a", "lokr_w2_b")
"""Factors that begin as zero and make the whole update zero while they are (LoRA: Hu et al. 2021, section 4.1)."""
_PART = 2**20


def likely_causes(home: Home, runs: Runs, model: str) -> list[Problem]:
    """What explains that the adapter `model` speaks like its base, the surest first; raises for what is no model id."""
    model_id = ModelId.parse(model)
    if model_id is None:
        return []
    found = []
    if model_id.strength == 0:
        found.append(Problem("Its strength is 0 here.", "Move the slider to the right."))
    with contextlib.suppress(WorkbenchError):  # its folder may be gone
        if _untrained(model_id.folder(home)):
            found.append(Problem("Its B matrices are all zero: it was never trained.", "Train it for a step or more."))
    with contextlib.suppress(WorkbenchError):  # an adapter that was added has no run
        found += _of_run(runs, model_id)
    return found or [Problem("What it learnt changes nothing on this prompt.", "Ask what its dataset is about.")]


def _untrained(folder: Path) -> bool:
    weights = [file for file in weights_of(folder) if file.name == PEFT_WEIGHTS and file.parent.name != PREFIX_PART]
    return any(file.is_file() and all_zero(file, SECOND_FACTORS) for file in weights)


def _of_run(runs: Runs, model_id: ModelId) -> list[Problem]:
    found = []
    run, template = runs.get(model_id.run), runs.config(model_id.run).data.chat_template
    if run.step == 0:
        found.append(Problem("Its run stopped at step 0.", "Resume the run, or train it anew."))
    if template != "auto":
        found.append(
            Problem(
                f"It was trained with the chat template “{template}”, not with the base model’s own.",
                "Train it with “auto” if others are to ask it.",
            )
        )
    return found


def all_zero(path: Path, names: tuple[str, ...]) -> bool:
    """Whether the safetensors file has tensors with one of `names` in their name, and all of those are zero.

    Reads the header (8 bytes of length, then JSON with byte ranges) and stops at the first byte that is not zero.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        ranges = [
            told["data_offsets"]
            for name, told in header.items()
            if name != "__metadata__" and any(part in name for part in names)
        ]
        if not ranges:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return all(_zero(data, 8 + length + begin, 8 + length + end) for begin, end in ranges)


def _zero(data: mmap.mmap, begin: int, end: int) -> bool:
    """Negative zero, which no optimiser leaves, counts as something."""
    return all(not any(data[place : min(place + _PART, end)]) for place in range(begin, end, _PART))
