"""Greedy answers equal plain transformers and peft token for token, alone and side by side with other adapters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rows import MakeAdapter, Plain, ask, assert_same, order

from workbench.engine.adapters import read_adapter
from workbench.engine.base import Base, release
from workbench.engine.mixing import BASE_DOSE, Dose

PROMPTS = tuple(
    tuple(random.Random(seed).choices(range(3, 380), k=length)) for seed, length in enumerate((1, 5, 23, 60, 140))
)


@pytest.fixture(scope="module")
def base(tiny_model_folder: Path) -> Iterator[Base]:
    loaded = Base("folder:tiny", tiny_model_folder)
    yield loaded
    release(loaded)


def test_base_alone_equals_generate(base: Base, tiny_model_folder: Path) -> None:
    plain = Plain(tiny_model_folder)
    for prompt in PROMPTS:
        asked = ask(base, order(base, prompt))
        asked.ended()
        assert_same(asked.row.tokens, plain, prompt)


def test_adapters_and_base_side_by_side_equal_each_alone_in_peft(
    base: Base, tiny_model_folder: Path, tmp_path: Path, make_adapter: MakeAdapter
) -> None:
    folders = [
        make_adapter(tmp_path / "all", seed=1),
        make_adapter(tmp_path / "rs", seed=2, r=7, use_rslora=True, target_modules=["q_proj", "v_proj"]),
        make_adapter(
            tmp_path / "patterns",
            seed=3,
            rank_pattern={"down_proj": 2},
            alpha_pattern={"q_proj": 3, "layers.1.mlp.up_proj": 1},
        ),
        make_adapter(tmp_path / "head", seed=4, target_modules=["lm_head", "embed_tokens", "o_proj"]),
    ]
    doses = [BASE_DOSE, *(Dose(read_adapter(folder.name, folder, base.model)) for folder in folders)]
    asked = [ask(base, order(base, prompt, dose)) for prompt, dose in zip(PROMPTS, doses, strict=True)]
    answers = []
    for one in asked:
        one.ended()
        answers.append(one.row.tokens)
    for tokens, folder, prompt in zip(answers, [None, *folders], PROMPTS, strict=True):
        assert_same(tokens, Plain(tiny_model_folder, folder), prompt)
    assert len({tuple(tokens) for tokens in answers}) == len(answers)
