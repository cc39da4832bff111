"""Whole tensors and prefixes answer as transformers and peft do, and leave no trace in the base model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_homes import save_random_adapter
from engine_rows import Plain, ask, assert_same, order
from peft import IA3Config, PrefixTuningConfig
from plain_loading import base_model, plainly_loaded
from safetensors.torch import save_file

from workbench.adapter_folder import CHANGED_CONFIG, CHANGED_WEIGHTS, ChangedFacts, weights_of
from workbench.engine.base import Base, release
from workbench.engine.layouts import read_learnt
from workbench.engine.mixing import BASE_DOSE, Dose
from workbench.engine.own import Own
from workbench.errors import WorkbenchError
from workbench.protocol.chat import AdapterFacts

PROMPT, OTHER = tuple(range(30, 50)), (7, 90, 201, 15)


@pytest.fixture(scope="module")
def base(tiny_model_folder: Path) -> Iterator[Base]:
    loaded = Base("folder:tiny", tiny_model_folder)
    yield loaded
    release(loaded)


@pytest.fixture(scope="module")
def folders(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("layouts")
    prefix = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)
    ia3 = IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    save_random_adapter(tiny_model_folder, place / "pair" / "lora", seed=3)
    save_random_adapter(tiny_model_folder, place / "pair" / "prefix", seed=4, config=prefix)
    return {
        "lora": save_random_adapter(tiny_model_folder, place / "only-lora", seed=5),
        "dora": save_random_adapter(
            tiny_model_folder, place / "dora", seed=8, use_dora=True, target_modules=["q_proj"]
        ),
        "ia3": save_random_adapter(tiny_model_folder, place / "ia3", seed=6, config=ia3),
        "prefix": save_random_adapter(tiny_model_folder, place / "only-prefix", seed=7, config=prefix),
        "pair": place / "pair",
        "changed": save_changed(tiny_model_folder, place / "changed"),
    }


def save_changed(base: Path, folder: Path) -> Path:
    """All tensors of the base model, each a little moved; the tied head is not named."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_pretrained(base)
    tensors = {name: weight + 0.05 * torch.randn_like(weight) for name, weight in model.named_parameters()}
    folder.mkdir()
    save_file({name: weight.detach() for name, weight in tensors.items()}, folder / CHANGED_WEIGHTS)
    facts = ChangedFacts(base_model=str(base), method="full", tensors=len(tensors), parameters=1)
    (folder / CHANGED_CONFIG).write_text(facts.model_dump_json())
    return folder


class Loaded(Plain):
    """Whatever the layout, by transformers and peft alone."""

    def __init__(self, base: Path, folder: Path) -> None:
        self.model: Any = plainly_loaded(base, folder).eval()


@pytest.mark.parametrize("kind", ["changed", "prefix", "pair"])
def test_beside_the_base_model_and_an_adapter_it_answers_as_without_the_workbench(
    kind: str, base: Base, folders: dict[str, Path], tiny_model_folder: Path
) -> None:
    dose, lora = (Dose(read_learnt(name, folders[name], base.own)) for name in (kind, "lora"))
    asked = [
        ask(base, order(base, prompt, taken))
        for prompt, taken in ((PROMPT, dose), (PROMPT, BASE_DOSE), (OTHER, lora), (OTHER, dose))
    ]
    answers = [(one.ended(), one.row.tokens)[1] for one in asked]
    assert_same(answers[0], Loaded(tiny_model_folder, folders[kind]), PROMPT)
    assert_same(answers[3], Loaded(tiny_model_folder, folders[kind]), OTHER)
    assert_same(answers[1], Plain(tiny_model_folder), PROMPT)
    assert_same(answers[2], Plain(tiny_model_folder, folders["lora"]), OTHER)
    assert answers[0] != answers[1]


def test_what_was_changed_is_back_to_the_bit(base: Base, folders: dict[str, Path]) -> None:
    before = {name: (id(weight), weight.clone()) for name, weight in base.own.parameters.items()}
    ask(base, order(base, PROMPT, Dose(read_learnt("changed", folders["changed"], base.own)))).ended()
    ask(base, order(base, PROMPT)).ended()
    for name, weight in base.model.named_parameters(remove_duplicate=False):
        assert id(weight) == before[name][0]
        assert torch.equal(weight, before[name][1])


@pytest.mark.parametrize("switched", ["changed", "ia3"])
def test_an_adapter_read_while_another_is_switched_in_is_read_against_the_base(
    switched: str, base: Base, folders: dict[str, Path], tiny_model_folder: Path
) -> None:
    """Its weights and hooks belong to the base model's own modules, whatever stands in their places."""
    ask(base, order(base, PROMPT, Dose(read_learnt(switched, folders[switched], base.own)))).ended()
    doses = {name: Dose(read_learnt(name, folders[name], base.own)) for name in ("dora", "lora")}
    for name, dose in doses.items():
        asked = ask(base, order(base, OTHER, dose))
        asked.ended()
        assert_same(asked.row.tokens, Plain(tiny_model_folder, folders[name]), OTHER)


def test_hooks_survive_an_adapter_that_leaves(folders: dict[str, Path], tiny_model_folder: Path) -> None:
    loaded = Base("folder:tiny", tiny_model_folder)
    try:
        ia3, lora = (Dose(read_learnt(name, folders[name], loaded.own)) for name in ("ia3", "lora"))
        together = [ask(loaded, order(loaded, PROMPT, dose)) for dose in (ia3, lora)]
        for one in together:
            one.ended()
        alone = ask(loaded, order(loaded, OTHER, lora))
        alone.ended()
    finally:
        release(loaded)
    assert_same(together[1].row.tokens, Plain(tiny_model_folder, folders["lora"]), PROMPT)
    assert_same(alone.row.tokens, Plain(tiny_model_folder, folders["lora"]), OTHER)


@pytest.mark.parametrize("kind", ["changed", "prefix", "pair"])
def test_what_belongs_to_another_base_model_is_refused(
    kind: str, folders: dict[str, Path], tiny_gpt2_folder: Path
) -> None:
    other = Own.of(base_model(tiny_gpt2_folder))
    with pytest.raises(WorkbenchError, match="belongs to another base model"):
        read_learnt("run", folders[kind], other)


def test_damaged_changed_weights_are_refused(base: Base, tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = save_changed(tiny_model_folder, tmp_path / "damaged")
    (weights,) = weights_of(folder)
    weights.write_bytes(weights.read_bytes()[:400])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        read_learnt("run", folder, base.own)


@pytest.mark.parametrize("kind", ["changed", "prefix", "ia3", "lora"])
def test_what_a_stream_tells_of_it_can_be_read(kind: str, base: Base, folders: dict[str, Path]) -> None:
    """Streams leave out what is None."""
    facts = read_learnt(kind, folders[kind], base.own).facts(1.0)
    assert AdapterFacts.model_validate_json(facts.model_dump_json(exclude_none=True)) == facts


def test_only_plain_low_rank_adapters_are_halved(base: Base, folders: dict[str, Path]) -> None:
    found = {name: Dose(read_learnt(name, folder, base.own)) for name, folder in folders.items()}
    assert {name for name, dose in found.items() if dose.divisible} == {"lora", "dora"}
    assert found["prefix"].virtual_tokens == found["pair"].virtual_tokens == 5
