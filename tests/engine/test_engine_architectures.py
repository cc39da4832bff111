"""The flat forward pass gives transformers' numbers for models of several kinds; others run row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from workbench.engine.adapters import Adapter
from workbench.engine.forward import FlatForward, Forward, RowByRow, Stretch, forward_for
from workbench.engine.mixing import BASE_DOSE, Dose

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
WINDOW = 5


def models() -> dict[str, PreTrainedModel]:
    torch.manual_seed(0)
    layers = ["sliding_attention", "full_attention"]
    return {
        "gpt2": GPT2LMHeadModel(GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
        "mistral": MistralForCausalLM(MistralConfig(**SIZES, sliding_window=WINDOW)),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(**SIZES)),
        "gemma2": Gemma2ForCausalLM(
            Gemma2Config(**SIZES, sliding_window=WINDOW, layer_types=layers, attn_logit_softcapping=2.0)
        ),
        "gemma3": Gemma3ForCausalLM(Gemma3TextConfig(**SIZES, sliding_window=WINDOW, layer_types=layers)),
    }


@torch.inference_mode()
def read_side_by_side(
    forward: Forward, rows: list[list[int]], cuts: list[list[int]], dose: Dose = BASE_DOSE
) -> list[torch.Tensor]:
    """The logits after each row's last token, when all rows are read together in pieces that end at `cuts`."""
    pasts = [forward.past(dose) for _ in rows]
    logits: list[torch.Tensor] = []
    for step in range(len(cuts[0])):
        starts = [0 if step == 0 else cut[step - 1] for cut in cuts]
        pieces = [row[start : cut[step]] for row, start, cut in zip(rows, starts, cuts, strict=True)]
        logits = forward([Stretch(piece, past, dose) for piece, past in zip(pieces, pasts, strict=True)])
    return [scores[-1] for scores in logits]


@pytest.mark.parametrize("name", sorted(models()))
def test_rows_at_different_places_equal_the_whole_text_alone(name: str) -> None:
    model = models()[name].train(False)
    model.set_attn_implementation("eager")
    rows = [[int(token) for token in torch.randint(3, 97, (length,))] for length in (17, 9, 12)]
    cuts = [[6, 7, 17], [1, 8, 9], [10, 11, 12]]
    with torch.inference_mode():
        wanted = [model(torch.tensor([row])).logits[0, -1] for row in rows]
    forward = forward_for(model)
    assert isinstance(forward, FlatForward), f"{name} fell back to row by row"
    for given, right in zip(read_side_by_side(forward, rows, cuts), wanted, strict=True):
        assert torch.allclose(given, right, atol=2e-5), f"{(given - right).abs().max()}"


@pytest.mark.parametrize("name", [*sorted(models()), "mamba"])
def test_a_trained_prompt_stands_before_the_text(name: str) -> None:
    model = (mamba() if name == "mamba" else models()[name]).train(False)
    model.set_attn_implementation("eager")
    prompt, row = torch.randn(1, 7, 32), [int(token) for token in torch.randint(3, 97, (9,))]
    with torch.inference_mode():
        embedded = torch.cat([prompt, model.get_input_embeddings()(torch.tensor([row]))], 1)
        wanted = model(inputs_embeds=embedded).logits[0, -1]
    dose = Dose(Adapter("prompt", Path("prompt"), "", "prompt_tuning", None, None, prompt=prompt))
    (given,) = read_side_by_side(forward_for(model), [row], [[5, 6, 9]], dose)
    assert torch.allclose(given, wanted, atol=2e-5), f"{(given - wanted).abs().max()}"


def mamba() -> PreTrainedModel:
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4))


def test_a_model_with_attention_of_its_own_runs_row_by_row() -> None:
    torch.manual_seed(0)
    model = mamba().train(False)
    forward = forward_for(model)
    assert isinstance(forward, RowByRow)
    row = [int(token) for token in torch.randint(3, 97, (9,))]
    with torch.inference_mode():
        wanted = model(torch.tensor([row])).logits[0, -1]
    (given,) = read_side_by_side(forward, [row], [[5, 6, 9]])
    assert torch.allclose(given, wanted, atol=2e-5)
