"""Runs over a base model in 8 or 4 bit: every method that says it can does learn, and every other is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from plain_loading import IDS, logits_of
from safetensors import safe_open
from training_runs import MakeRun, StopAt, carry_out, losses, random_rows

from workbench.adapter_folder import weights_of
from workbench.config import RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.errors import WorkbenchError
from workbench.events import Finished, Started
from workbench.home import Home
from workbench.method import METHODS
from workbench.methods.initialised import Initialised
from workbench.runs.folder import RunFolder
from workbench.training.adapter import attach
from workbench.training.machine import find_machine
from workbench.training.quantization import loading_options
from workbench.training.starting_point import StartingPoint
from workbench.training.studies import Reading, study_of
from workbench.training.studies.study import adaptable_modules

USABLE = tuple(method for method in METHODS if not method.needs_cuda)
PAIRS = [
    ("lora", "nf4"),
    *(
        (method.model_fields["kind"].default, packed)
        for method in USABLE
        for packed in ("int8", "nf4-double")
        if packed not in method.unpacked
    ),
]
"""Whether the scales are packed too makes no difference to a method, so one is tried with plain nf4."""


@pytest.mark.parametrize(("kind", "packed"), PAIRS)
def test_a_method_learns_over_packed_weights(
    kind: str, packed: str, home: Home, tiny_model_folder: Path, tiny_dataset_file: Path
) -> None:
    fields = METHODS.get(kind).model_fields
    small = {name: value for name, value in {"rank": 4, "block_size": 8}.items() if name in fields}
    config = RunConfig.parse(
        {
            "base_model": f"folder:{tiny_model_folder}",
            "data": {"dataset": str(tiny_dataset_file), "validation_share": 0.0, "max_length": 64},
            "method": {"kind": kind, **small},
            "training": {
                "max_steps": 10,
                "learning_rate": 0.02,
                "schedule": "constant",
                "threads": 1,
                "precision": "fp32",
                "quantization": packed,
                "optimizer": "adamw-8bit",
            },
        }
    )
    folder = RunFolder.create(home, config)
    events = carry_out(folder)
    assert isinstance(events[-1], Finished), folder.log_tail()
    counted = config.method.count(read_blueprint(tiny_model_folder))
    started = next(event for event in events if isinstance(event, Started))
    moved = counted.bound is not None and config.method.studies
    assert started.base_parameters == counted.base
    assert started.trainable <= (counted.bound or 0) if moved else started.trainable == counted.trainable
    learnt = losses(folder)
    assert (learnt[10] or 9) < (learnt[1] or 0)
    for file in weights_of(folder.adapter):
        with safe_open(file, "pt") as saved:
            assert all(saved.get_tensor(name).is_floating_point() for name in saved.keys())  # noqa: SIM118


REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"kind": method.model_fields["kind"].default}, packed) for method in USABLE for packed in method.unpacked),
    *(
        ({"initialisation": start}, packed)
        for start, packed_so in Initialised.unpacked_starts.items()
        for packed in packed_so
    ),
]


@pytest.mark.parametrize(("method", "packed"), REFUSED, ids=lambda value: str(value))
def test_what_is_refused_is_really_impossible(method: dict[str, Any], packed: str, tiny_model_folder: Path) -> None:
    """It fails, or begins as another model than the packed base: tried without the refusal in between."""
    fields = METHODS.get(method.get("kind", "lora")).model_fields
    small = {name: value for name, value in {"rank": 4, "study_rows": 2, "layers": 1}.items() if name in fields}
    config = RunConfig.parse({"base_model": f"folder:{tiny_model_folder}", "method": method | small})
    training = config.training.model_copy(update={"quantization": packed, "precision": "fp32"})
    unchecked = config.model_copy(update={"training": training})
    packing = loading_options(training, find_machine(training))
    base = config.task.load_model(tiny_model_folder, dtype=torch.float32, attn_implementation="sdpa", **packing)
    wanted = logits_of(base)
    start = StartingPoint(tiny_model_folder.parent / f"none-{packed}") if config.method.moves_base else None
    silent: Any = SimpleNamespace(enter=lambda *_: None, obey=lambda: None)
    study = study_of(config.method)
    try:
        findings = None
        if study is not None:
            modules = adaptable_modules(base, config.method.peft_config(config.task))
            findings = study.find(base, modules, Reading(random_rows(2), 2, 0, silent, silent))
        model = attach(base, unchecked, tiny_model_folder, start, findings).model.train()
        for _ in range(2):  # some fail only once the packed weights have been read
            model(input_ids=IDS).logits.sum().backward()
    except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, NotImplementedError):
        return
    assert start is not None
    start.path.unlink()
    assert (logits_of(model) - wanted).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "packed"), [("dora", "int8"), ("loha", "nf4"), ("lokr", "nf4-double")])
def test_a_pair_that_cannot_be_is_refused_beside_its_field(kind: str, packed: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        RunConfig.parse({"method": {"kind": kind}, "training": {"quantization": packed}})
    (problem,) = refused.value.problems
    assert problem.field == "training.quantization"
    assert "weights" in problem.message


def test_a_resumed_run_over_packed_weights_equals_an_uninterrupted_one(make_run: MakeRun) -> None:
    packed = {"max_steps": 6, "quantization": "nf4-double", "optimizer": "adamw-8bit"}
    whole, stopped = make_run(**packed), make_run(**packed)
    carry_out(whole)
    carry_out(stopped, StopAt(stopped, 3))
    assert len(losses(stopped)) == 3
    carry_out(stopped)
    assert losses(stopped) == losses(whole)
