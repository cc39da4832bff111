"""On every causal family that the calculator knows: rows behind one another give the losses of padded ones."""

from __future__ import annotations

import json

import pytest
import torch
from architectures import ARCHITECTURES, blueprint
from training_runs import control_loss, random_rows, with_lora
from transformers import AutoModelForCausalLM

from workbench.engine.blueprint import load_config
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.models.presets import preset_models
from workbench.training.batches import padded
from workbench.training.objective import choose_objective

CAUSAL = tuple(name for name in ARCHITECTURES if blueprint(name).task == "causal_lm")
PADDED = {"gemma2": "softcap"}
"""The families that cannot be flattened, each with a word of the reason."""


def test_every_preset_is_of_a_family_that_is_tried() -> None:
    tried = {blueprint(name).model_type for name in CAUSAL}
    presets = {read_blueprint_file(preset_path(preset.reference)).model_type for preset in preset_models()}
    assert presets <= tried


@pytest.mark.parametrize("name", CAUSAL)
def test_the_chosen_batches_give_the_padded_losses(name: str) -> None:
    torch.manual_seed(0)
    sizes = json.loads(json.dumps(ARCHITECTURES[name])) | {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
    model = AutoModelForCausalLM.from_config(load_config({**sizes, "dropout": 0.0, "attention_dropout": 0.0}))  # type: ignore[no-untyped-call]
    adapted = with_lora(model.float().eval(), lora_dropout=0.0)
    rows = random_rows(vocab=110)
    objective = choose_objective(adapted, rows)
    assert (objective.collate is padded) == (name in PADDED), objective.padded_because
    assert PADDED.get(name, "") in objective.padded_because
    assert bool(objective.padded_because) == (name in PADDED)
    some = [rows[index] for index in range(len(rows))]
    batch = objective.collate(some)
    with torch.no_grad():
        found = float(objective(batch)) / len(batch["targets"])
        assert found == pytest.approx(float(control_loss(adapted, some)), abs=2e-5)
