"""The layers with a backward of our own give the numbers of the modules they take the place of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training_runs import adapted, loss_and_gradients, random_rows

from workbench.training.batches import flattened
from workbench.training.fused import fuse
from workbench.training.objective import Objective, choose_objective

FAMILIES = ["llama", "mistral", "qwen2"]
TARGETS: list[Any] = ["all-linear", ["q_proj", "v_proj"], ["down_proj"], ["k_proj", "o_proj", "gate_proj"]]


@pytest.mark.parametrize("targets", TARGETS, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_equal_the_modules(family: str, targets: Any) -> None:
    model = adapted(family, target_modules=targets)
    ours = choose_objective(model, random_rows())
    assert ours.fused, "the probe refused it"
    modules = Objective(ours.model, flattened, "chunked")
    loss, gradients = loss_and_gradients(ours, model)
    expected_loss, expected = loss_and_gradients(modules, model)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-4)


def test_recomputing_gives_the_same_gradients() -> None:
    model = adapted("llama")
    objective = choose_objective(model, random_rows())
    assert objective.fused
    kept = loss_and_gradients(objective, model)
    objective.fused.recompute = True
    assert loss_and_gradients(objective, model)[0] == kept[0]
    for name, gradient in loss_and_gradients(objective, model)[1].items():
        torch.testing.assert_close(gradient, kept[1][name], rtol=0, atol=0)


def test_gradients_add_up_over_micro_batches() -> None:
    model = adapted("llama")
    objective = choose_objective(model, random_rows())
    once, twice = (loss_and_gradients(objective, model, times)[1] for times in (1, 2))
    for name, gradient in once.items():
        torch.testing.assert_close(twice[name], 2 * gradient)


def test_a_changed_adapter_is_seen_at_the_next_forward() -> None:
    model = adapted("llama")
    objective = choose_objective(model, random_rows())
    before = loss_and_gradients(objective, model)[0]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_A" in name:
                weight.mul_(3)
    after = loss_and_gradients(objective, model)[0]
    assert after != before
    assert after == pytest.approx(loss_and_gradients(Objective(objective.model, flattened, "chunked"), model)[0])


def test_nothing_flows_below_the_lowest_adapted_layer() -> None:
    model = adapted("llama", target_modules=["q_proj", "up_proj"], layers_to_transform=[2])
    objective = choose_objective(model, random_rows())
    assert objective.fused
    _, gradients = loss_and_gradients(objective, model)
    assert {name.split(".layers.")[1][0] for name in gradients} == {"2"}
    states = objective.fused(objective.collate([random_rows()[0]]))
    functions = []
    node = states.grad_fn
    while node is not None:
        functions.append(type(node).__name__)
        node = next((upstream for upstream, _ in node.next_functions if upstream), None)
    assert functions.count("LayerFunctionBackward") == 1


@pytest.mark.parametrize(
    "lora", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}, {"modules_to_save": ["input_layernorm"]}]
)
def test_what_is_not_known_stays_with_the_modules(lora: dict[str, Any]) -> None:
    assert fuse(adapted("llama", **lora).get_base_model()) is None


@pytest.mark.parametrize("family", ["gemma2", "granite"])
def test_unknown_layers_stay_with_the_modules(family: str) -> None:
    assert fuse(adapted(family, stirred=False).get_base_model()) is None


def test_the_modules_share_the_weights_and_go_on_to_work() -> None:
    model = adapted("qwen2")
    tokens = torch.randint(0, 300, (1, 9))
    with torch.no_grad():
        before = model(tokens).logits
        weight = model.get_base_model().model.layers[0].self_attn.k_proj.base_layer.weight
        assert fuse(model.get_base_model())
        torch.testing.assert_close(model(tokens).logits, before, rtol=1e-5, atol=1e-6)
    neighbour = model.get_base_model().model.layers[0].self_attn.q_proj.base_layer.weight
    assert weight.untyped_storage().data_ptr() == neighbour.untyped_storage().data_ptr()
