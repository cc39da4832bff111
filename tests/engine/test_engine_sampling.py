"""The next token: warped as transformers does it, drawn from the row's own seed."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from workbench.engine.sampling import Sampler, penalise, warp
from workbench.protocol.chat import ChatRequest, ChatTurn, SamplingFields

LOGITS = torch.randn(200, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize(
    ("top_k", "top_p", "min_p"),
    [(0, 1.0, 0.0), (7, 1.0, 0.0), (0, 0.6, 0.0), (0, 0.001, 0.0), (0, 1.0, 0.2), (20, 0.9, 0.05)],
)
def test_warping_equals_transformers(top_k: int, top_p: float, min_p: float) -> None:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(0.8)])
    warpers += [TopKLogitsWarper(top_k)] if top_k else []
    warpers += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    warpers += [MinPLogitsWarper(min_p)] if min_p else []
    wanted = warpers(torch.LongTensor([[0]]), torch.FloatTensor(LOGITS[None].clone()))[0].softmax(-1)
    assert torch.allclose(warp(LOGITS / 0.8, top_k, top_p, min_p), wanted, atol=1e-6)


def test_the_repetition_penalty_equals_transformers() -> None:
    seen = [3, 9, 9, 150]
    wanted = RepetitionPenaltyLogitsProcessor(1.3)(torch.LongTensor([seen]), torch.FloatTensor(LOGITS[None].clone()))[0]
    assert torch.allclose(penalise(LOGITS, seen, 1.3), wanted)


def test_a_seed_gives_the_same_draws_and_none_gives_others() -> None:
    def draws(seed: int | None) -> list[int]:
        sampler = Sampler.of(SamplingFields(seed=seed))
        return [sampler.choose(LOGITS, ()) for _ in range(40)]

    assert draws(3) == draws(3)
    assert draws(3) != draws(4)
    assert draws(None) != draws(None)


def test_draws_follow_the_probabilities() -> None:
    sampler = Sampler.of(SamplingFields(seed=0))
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    counts = Counter(sampler.choose(logits, ()) for _ in range(4000))
    assert [round(counts[token] / 4000, 1) for token in range(3)] == [0.5, 0.3, 0.2]


def test_temperature_zero_takes_the_likeliest() -> None:
    assert Sampler.of(SamplingFields(temperature=0)).choose(LOGITS, ()) == int(LOGITS.argmax())


def test_null_means_the_default_and_an_empty_stop_word_stops_nothing() -> None:
    plain = ChatRequest(messages=(ChatTurn(role="user", content="Hello"),))
    nulls = dict.fromkeys(("temperature", "top_p", "seed", "stop", "n", "stream", "stream_options", "logprobs"))
    asked = {"messages": [{"role": "user", "content": "Hello"}], "top_logprobs": None, **nulls}
    assert ChatRequest.model_validate(asked) == plain
    assert SamplingFields.model_validate({"stop": ""}).stop == ()
    assert SamplingFields.model_validate({"stop": ["", "end"]}).stop == ("end",)
