"""The methods that train the base model itself, counted on every architecture."""

from __future__ import annotations

import pytest
from architectures import ARCHITECTURES, blueprint, fresh

from workbench.methods.bitfit import BitFit
from workbench.methods.full import Full
from workbench.methods.last_k import LastLayers
from workbench.methods.lora import Lora
from workbench.methods.lora_prefix import LoraWithPrefix
from workbench.methods.prefix import PrefixTuning

NAMES = tuple(ARCHITECTURES)


@pytest.mark.parametrize("name", NAMES)
def test_full_fine_tuning_trains_every_parameter(name: str) -> None:
    counted = Full().count(blueprint(name))
    assert counted.trainable + counted.head == fresh(name).num_parameters()


@pytest.mark.parametrize("name", NAMES)
def test_bitfit_trains_every_bias_outside_the_head(name: str) -> None:
    biases = {
        parameter: parameter.numel()
        for key, parameter in fresh(name).named_parameters()
        if key.endswith("bias") and key.partition(".")[0] not in ("classifier", "score")
    }
    assert BitFit().count(blueprint(name)).trainable == sum(biases.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_last_layers_are_a_part_of_all_layers(name: str) -> None:
    model = blueprint(name)
    one, two = (LastLayers(layers=layers).count(model).trainable for layers in (1, 2))
    assert 0 < one < two < Full().count(model).trainable


def test_two_last_layers_of_a_llama_are_two_thirds_of_its_three() -> None:
    layers = sum(p.numel() for key, p in fresh("llama").named_parameters() if ".layers." in key)
    assert LastLayers(layers=2).count(blueprint("llama")).trainable == layers * 2 // 3


@pytest.mark.parametrize("name", ["llama", "gpt2", "mixtral"])
def test_lora_with_a_prefix_is_the_sum_of_both(name: str) -> None:
    model = blueprint(name)
    both = LoraWithPrefix(rank=4, tokens=7).count(model).trainable
    assert both == Lora(rank=4).count(model).trainable + PrefixTuning(tokens=7).count(model).trainable
