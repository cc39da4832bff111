"""Greedy answers equal plain transformers and peft token for token, alone and side by side with other adapters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_homes import save_random_adapter
from engine_rows import MakeAdapter, Plain, ask, assert_same, order
from peft import IA3Config, LoHaConfig

from workbench.engine.adapters import read_adapter
from workbench.engine.base import Base, release
from workbench.engine.forward import FlatForward
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


def test_a_llama_runs_without_its_modules_and_what_is_not_known_there_with_them(
    base: Base, tmp_path: Path, make_adapter: MakeAdapter
) -> None:
    forward = base.owner._forward
    assert isinstance(forward, FlatForward)
    assert forward.lean is not None
    plain, head = (
        Dose(read_adapter(name, make_adapter(tmp_path / name, target_modules=modules), base.own))
        for name, modules in (("plain", ["q_proj", "up_proj"]), ("head", ["lm_head"]))
    )
    assert forward.lean.known([BASE_DOSE, plain])
    assert not forward.lean.known([plain, head])
    assert forward.lean.known([plain])


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
    doses = [BASE_DOSE, *(Dose(read_adapter(folder.name, folder, base.own)) for folder in folders)]
    asked = [ask(base, order(base, prompt, dose)) for prompt, dose in zip(PROMPTS, doses, strict=True)]
    answers = []
    for one in asked:
        one.ended()
        answers.append(one.row.tokens)
    for tokens, folder, prompt in zip(answers, [None, *folders], PROMPTS, strict=True):
        assert_same(tokens, Plain(tiny_model_folder, folder), prompt)
    assert len({tuple(tokens) for tokens in answers}) == len(answers)


def test_dora_is_mixed_with_others(
    base: Base, tiny_model_folder: Path, tmp_path: Path, make_adapter: MakeAdapter
) -> None:
    folders = [make_adapter(tmp_path / "dora", seed=5, use_dora=True), make_adapter(tmp_path / "plain", seed=6)]
    adapters = [read_adapter(folder.name, folder, base.own) for folder in folders]
    assert not any(adapter.unmixable for adapter in adapters)
    asked = [ask(base, order(base, PROMPTS[3], Dose(adapter))) for adapter in adapters]
    for one, folder in zip(asked, folders, strict=True):
        one.ended()
        assert_same(one.row.tokens, Plain(tiny_model_folder, folder), PROMPTS[3])


def test_what_cannot_be_mixed_runs_by_switching(
    base: Base, tiny_model_folder: Path, tmp_path: Path, make_adapter: MakeAdapter
) -> None:
    folders = [
        make_adapter(tmp_path / "saved", seed=7, target_modules=["q_proj"], modules_to_save=["lm_head"]),
        make_adapter(tmp_path / "plain", seed=8),
        save_random_adapter(tiny_model_folder, tmp_path / "loha", 9, config=LoHaConfig(r=4, target_modules=["q_proj"])),
        save_random_adapter(
            tiny_model_folder,
            tmp_path / "ia3",
            9,
            config=IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
        ),
    ]
    doses = [Dose(read_adapter(folder.name, folder, base.own)) for folder in folders]
    assert [dose.switched for dose in doses] == [True, False, True, True]
    asked = [ask(base, order(base, PROMPTS[2], dose)) for dose in [*doses, BASE_DOSE]]
    for one, folder in zip(asked, [*folders, None], strict=True):
        one.ended()
        assert_same(one.row.tokens, Plain(tiny_model_folder, folder), PROMPTS[2])
    again = ask(base, order(base, PROMPTS[2], doses[0]))
    again.ended()
    assert again.row.tokens == asked[0].row.tokens
