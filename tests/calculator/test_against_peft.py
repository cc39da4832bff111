"""The arithmetic against peft itself on the meta device: random architectures, methods and options, exactly equal."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from architectures import ARCHITECTURES, PEFT_TASKS, blueprint, fresh, trained

from workbench.method import METHODS, Method
from workbench.methods.experts import has_rule
from workbench.methods.low_rank import LowRank
from workbench.methods.matching import last_part
from workbench.records.base_models import Blueprint

CASES = 400
ADAPTERS = tuple(kind for kind in METHODS.kinds() if kind not in ("full", "last_k", "bitfit", "lora_prefix"))
NEEDS_WEIGHTS = ("pissa", "olora")
"""Methods that start from the base weights, which are not there on the meta device: built as plain LoRA."""


def targets(rng: random.Random, model: Blueprint, kinds: tuple[str, ...]) -> Any:
    """Some of a model's module names, all of them, or an expression that names some."""
    names = sorted({last_part(m.name) for m in model.modules if m.kind in kinds and m.name != model.head})
    unfit = {last_part(m.name) for m in model.modules if m.kind not in kinds}
    heads = {"classifier", "score", "out_proj"} if model.task in ("seq_cls", "token_cls") else set()
    chosen = rng.sample(fit := [n for n in names if n not in unfit | heads], rng.randint(1, min(4, len(fit))))
    if all(m.kind in kinds for m in model.modules if m.kind in ("linear", "conv1d")) and rng.random() < 0.3:
        return "all-linear"
    if rng.random() < 0.3 and model.task not in ("seq_cls", "token_cls"):
        return rf".*\.\d+\..*\.({'|'.join(chosen)})" if rng.random() < 0.5 else rf".*\.({'|'.join(chosen)})"
    return chosen


def low_rank(rng: random.Random, model: Blueprint, kind: str) -> dict[str, Any]:
    """Random settings of the LoRA family."""
    every = ("linear", "conv1d", "embedding") if rng.random() < 0.3 and not has_rule(model) else ("linear", "conv1d")
    kinds = tuple(each for each in every if each in _adaptable(kind))
    chosen = targets(rng, model, kinds)
    if has_rule(model) and not _is_plain(kind):
        chosen = rng.sample(["q_proj", "k_proj", "v_proj", "o_proj"], 2)
    options: dict[str, Any] = {"rank": rng.randint(1, 16), "target_modules": chosen}
    options["bias"] = rng.choice(["none", "none", "all", "targets"])
    if isinstance(chosen, list):
        if rng.random() < 0.3:
            options["layers_to_transform"] = sorted(rng.sample(range(3), rng.randint(1, 2)))
        if rng.random() < 0.3:
            options["rank_pattern"] = {rng.choice(chosen): rng.randint(1, 16)}
        if rng.random() < 0.3 and len(chosen) > 1:
            options["exclude_modules"] = [chosen[0]]
    if "embedding" not in kinds and not has_rule(model):
        options["lora_bias"] = rng.random() < 0.2
    if rng.random() < 0.2 and model.task == "causal_lm":
        options["modules_to_save"] = [rng.choice(_wholes(model, chosen))]
    return options


def _adaptable(kind: str) -> tuple[str, ...]:
    method = METHODS.get(kind)
    assert issubclass(method, LowRank)
    return method.adaptable


def _is_plain(kind: str) -> bool:
    method = METHODS.get(kind)
    return issubclass(method, LowRank) and method.plain


def _wholes(model: Blueprint, chosen: Any) -> list[str]:
    """Names that can be trained whole beside `chosen` without meeting them."""
    names = {last_part(m.name) for m in model.modules if m.kind in ("embedding", "norm") or m.name == model.head}
    return sorted(names - set(chosen if isinstance(chosen, list) else ()) - {"norm"})


def linear(rng: random.Random, model: Blueprint, kind: str) -> dict[str, Any]:
    """Random settings of the methods that adapt linear modules alone."""
    kinds = ("linear",) if kind in ("loha", "lokr", "oft") else ("linear", "conv1d")
    chosen = targets(rng, model, kinds)
    options: dict[str, Any] = {"target_modules": chosen}
    if kind != "ia3" and isinstance(chosen, list) and rng.random() < 0.3:
        options["layers_to_transform"] = [rng.randint(0, 2)]
    return options


def settings(rng: random.Random, model: Blueprint, kind: str) -> dict[str, Any]:
    """Random settings of the method `kind` that fit the model."""
    match kind:
        case "adalora":
            return {**linear(rng, model, kind), "rank": rng.randint(1, 16)}
        case "vera":
            return {**linear(rng, model, kind), "rank": rng.randint(1, 64)}
        case "loha":
            return {**linear(rng, model, kind), "rank": rng.randint(1, 16)}
        case "lokr":
            return {
                **linear(rng, model, kind),
                "rank": rng.randint(1, 16),
                "decompose_both": rng.random() < 0.5,
                "decompose_factor": rng.choice([-1, -1, 2, 3, 4, 5, 8]),
            }
        case "oft":
            size = rng.choice([2, 4, 5, 7, 8, 16, 32, 100])
            return {**linear(rng, model, kind), "block_size": size, "share_blocks": rng.random() < 0.3}
        case "ia3":
            options = linear(rng, model, kind)
            names = options["target_modules"]
            feedforward = [names[0]] if isinstance(names, list) else ["down_proj", "fc2", "wo"]
            return {**options, "feedforward_modules": feedforward if rng.random() < 0.7 else []}
        case "prefix":
            inner = rng.choice([None, 24])
            return {"tokens": rng.randint(1, 30), "projection": rng.random() < 0.5, "projection_size": inner}
        case "prompt":
            return {"tokens": rng.randint(1, 30)}
        case "ln":
            return {}
        case _:
            return low_rank(rng, model, kind)


def fits(kind: str, name: str) -> bool:
    """Whether peft has this method for this architecture at all."""
    if kind in ("loha", "lokr", "oft", "loftq") and name == "gpt2":
        return False  # no linear module but Conv1D
    return not (kind in ("prefix", "prompt") and blueprint(name).task == "encoder")


def cases() -> list[tuple[str, str, int]]:
    """Method, architecture, seed: every pair that fits in turn, so that each method and architecture is drawn often."""
    pairs = [(kind, name) for kind in ADAPTERS for name in ARCHITECTURES if fits(kind, name)]
    random.Random(0).shuffle(pairs)
    return [(*pairs[number % len(pairs)], number) for number in range(CASES)]


def from_peft(method: Method, name: str) -> int:
    """What peft trains by `method` in the small model of that name."""
    from peft import get_peft_model

    config = _config(method, name)
    model = fresh(name)
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        adapted = get_peft_model(model, config, low_cpu_mem_usage=True)
    if method.kind == "lora_fa":
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_A" in parameter_name:
                parameter.requires_grad = False
    return trained(adapted)


def _config(method: Method, name: str) -> Any:
    config = method.peft_config(SimpleNamespace(peft_type=PEFT_TASKS[blueprint(name).task]))  # type: ignore[arg-type]
    if method.kind in NEEDS_WEIGHTS:
        config.init_lora_weights = True
    return config


def test_every_method_and_architecture_is_drawn_at_least_ten_times() -> None:
    drawn = cases()
    assert len(drawn) >= 300
    assert min(Counter(kind for kind, _, _ in drawn).values()) >= 10
    assert min(Counter(name for _, name, _ in drawn).values()) >= 10


def compare(kind: str, name: str, seed: int) -> str | None:
    """What differs in this case, in words; None when arithmetic and peft agree."""
    model = blueprint(name)
    method = METHODS.get(kind).model_validate(settings(random.Random(seed), model, kind))
    # peft allows any rank, and passes over the name of one that no target has
    problems = [each for each in method.check(model) if each.field not in ("method.rank", "method.rank_pattern")]
    if method.moves_base:  # peft would change the weight that another module shares, and says nothing
        problems = [problem for problem in problems if "shares" not in problem.message]
    if problems:
        return _must_refuse(method, name, f"{name} {method!r}: {problems}")
    counted, real = method.count(model).trainable, from_peft(method, name)
    return None if counted == real else f"{name} {method!r}: {counted:,} counted, peft trains {real:,}"


def _must_refuse(method: Method, name: str, words: str) -> str | None:
    """What is refused here, peft refuses too, or we are too strict."""
    try:
        from_peft(method, name)
    except (ValueError, TypeError, NotImplementedError):
        return None
    return f"refused here and not by peft: {words}"


@pytest.mark.parametrize("part", range(8))
def test_the_arithmetic_is_exactly_what_peft_trains(part: int) -> None:
    wrong = [found for case in cases()[part::8] if (found := compare(*case))]
    assert not wrong, "\n".join(wrong)
