"""Whole tensors, prefixes and prompts answer as transformers and peft do, and leave no trace in the base model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_homes import save_random_adapter
from engine_rows import Plain, ask, assert_same, order
from peft import IA3Config, LoHaConfig, OFTConfig, PrefixTuningConfig, PromptTuningConfig
from plain_loading import base_model, plainly_loaded
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from workbench.adapter_folder import CHANGED_CONFIG, CHANGED_WEIGHTS, ChangedFacts, weights_of
from workbench.engine.base import Base, release
from workbench.engine.layouts import read_learnt
from workbench.engine.mixing import BASE_DOSE, Dose
from workbench.engine.own import Own
from workbench.engine.switching import Switch
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
    prompt = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)
    loha = LoHaConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "up_proj"])
    oft = OFTConfig(task_type="CAUSAL_LM", r=0, oft_block_size=4, target_modules=["v_proj"], use_cayley_neumann=False)
    save_random_adapter(tiny_model_folder, place / "pair" / "lora", seed=3)
    save_random_adapter(tiny_model_folder, place / "pair" / "prefix", seed=4, config=prefix)
    return {
        "lora": save_random_adapter(tiny_model_folder, place / "only-lora", seed=5),
        "dora": save_random_adapter(
            tiny_model_folder, place / "dora", seed=8, use_dora=True, target_modules=["q_proj"]
        ),
        "ia3": save_random_adapter(tiny_model_folder, place / "ia3", seed=6, config=ia3),
        "prefix": save_random_adapter(tiny_model_folder, place / "only-prefix", seed=7, config=prefix),
        "prompt": save_random_adapter(tiny_model_folder, place / "only-prompt", seed=9, config=prompt),
        "loha": save_random_adapter(tiny_model_folder, place / "loha", seed=10, config=loha),
        "oft": save_random_adapter(tiny_model_folder, place / "oft", seed=11, config=oft),
        "head": save_random_adapter(
            tiny_model_folder, place / "head", seed=12, target_modules=["q_proj"], modules_to_save=["lm_head"]
        ),
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


@pytest.mark.parametrize("kind", ["changed", "prefix", "prompt", "pair"])
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


@pytest.mark.parametrize("kind", ["ia3", "loha", "oft", "head"])
def test_what_is_switched_is_refused_by_a_shallower_base_and_a_wider_one(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    sizes: Any = {"vocab_size": 320, "intermediate_size": 96, "num_attention_heads": 4}
    with pytest.raises(WorkbenchError, match="belongs to another base model") as refusal:
        read_learnt("run", folders[kind], Own.of(LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=1))))
    assert "no module “model.layers.1”" in str(refusal.value)
    wide: Any = LlamaForCausalLM(LlamaConfig(**sizes, hidden_size=32, num_hidden_layers=4))
    adapter = read_learnt("run", folders[kind], Own.of(wide))
    with pytest.raises(WorkbenchError, match="belongs to another base model") as refusal:
        Switch(wide).admit(Dose(adapter), [])
    assert "in the adapter" in str(refusal.value)


def test_a_prompt_of_another_width_is_refused(folders: dict[str, Path]) -> None:
    config = LlamaConfig(vocab_size=50, hidden_size=48, num_hidden_layers=1, num_attention_heads=4)
    with pytest.raises(WorkbenchError, match="belongs to another base model"):
        read_learnt("run", folders["prompt"], Own.of(LlamaForCausalLM(config)))


def test_damaged_changed_weights_are_refused(base: Base, tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = save_changed(tiny_model_folder, tmp_path / "damaged")
    (weights,) = weights_of(folder)
    weights.write_bytes(weights.read_bytes()[:400])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        read_learnt("run", folder, base.own)


@pytest.mark.parametrize("kind", ["changed", "prefix", "prompt", "ia3", "lora"])
def test_what_a_stream_tells_of_it_can_be_read(kind: str, base: Base, folders: dict[str, Path]) -> None:
    """Streams leave out what is None."""
    facts = read_learnt(kind, folders[kind], base.own).facts(1.0)
    assert AdapterFacts.model_validate_json(facts.model_dump_json(exclude_none=True)) == facts


class Between(Plain):
    """The base model with every weight on the line to its merged or changed one."""

    def __init__(self, base: Path, folder: Path, strength: float) -> None:
        adapted: Any = plainly_loaded(base, folder)
        merged = adapted.merge_and_unload() if hasattr(adapted, "merge_and_unload") else adapted
        self.model: Any = base_model(base).eval()
        self.model.lm_head.weight = torch.nn.Parameter(self.model.lm_head.weight.clone())  # may go another way
        new = dict(merged.state_dict())
        self.model.load_state_dict(
            {name: own.lerp(new[name], strength) for name, own in self.model.state_dict().items()}
        )


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.7])
@pytest.mark.parametrize("kind", ["changed", "ia3", "loha", "oft", "head"])
def test_what_is_switched_runs_at_any_strength(
    kind: str, strength: float, base: Base, folders: dict[str, Path], tiny_model_folder: Path
) -> None:
    adapter = read_learnt(kind, folders[kind], base.own)
    assert adapter.unmixable
    asked = [ask(base, order(base, PROMPT, dose)) for dose in (Dose(adapter, strength), Dose(adapter), BASE_DOSE)]
    weakened, whole, own = [(one.ended(), one.row.tokens)[1] for one in asked]
    assert_same(weakened, Between(tiny_model_folder, folders[kind], strength), PROMPT)
    assert_same(whole, Loaded(tiny_model_folder, folders[kind]), PROMPT)
    assert_same(own, Plain(tiny_model_folder), PROMPT)
    assert whole != own


def test_virtual_tokens_have_no_strength(base: Base, folders: dict[str, Path]) -> None:
    found = {name: Dose(read_learnt(name, folder, base.own)) for name, folder in folders.items()}
    assert {name for name, dose in found.items() if not dose.divisible} == {"prefix", "prompt", "pair"}
    assert {found[name].virtual_tokens for name in ("prefix", "prompt", "pair")} == {5}
