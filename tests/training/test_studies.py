"""What methods read out of rows before training: by its definition, told as a phase, stopped, and read only once."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from peft import LoraConfig
from plain_loading import base_model, logits_of
from training_runs import MakeRun, StopAt, carry_out, losses, random_rows

from workbench.errors import WorkbenchError
from workbench.events import Failed, Finished, Phase, PhaseChanged
from workbench.method import METHODS
from workbench.training.adapter import attach
from workbench.training.stopping import Stopped, StopRequest
from workbench.training.studies import Reading, Study, load_findings, study_of
from workbench.training.studies.corda import components
from workbench.training.studies.eva import Directions, redistributed
from workbench.training.studies.lora_ga import aligned
from workbench.training.studies.study import adaptable_modules

KINDS = ("eva", "corda", "lora_ga")


class Silent:
    """A report nobody reads, and a stop that nobody asks for."""

    def enter(self, *_: Any) -> None: ...

    def obey(self) -> None: ...


def reading(count: int = 5) -> Reading:
    silent: Any = Silent()
    return Reading(random_rows(count), 100, 0, silent, silent)


def study(kind: str, **fields: Any) -> Study:
    found = study_of(METHODS.get(kind).model_validate({"kind": kind, "rank": 4, **fields}))
    assert found is not None
    return found


def findings_on(folder: Path, made: Study) -> tuple[Any, Any]:
    model = base_model(folder).eval()
    config = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    modules = adaptable_modules(model, config)
    assert len(modules) == 21
    assert not any("lora" in name for name, _ in model.named_parameters())
    return model, made.find(model, modules, reading())


def test_directions_are_the_principal_ones_of_everything_shown() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(2000, 24) @ torch.diag(0.6 ** torch.arange(24.0)) + torch.randn(24)
    shown = Directions(6)
    for part in torch.split(vectors, 37):
        shown.show(part)
    shown.finish()
    _, values, wanted = torch.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    cosines = (shown.found[:4] * wanted[:4]).sum(1).abs()
    assert cosines.min() > 0.99
    torch.testing.assert_close(shown.shares[:4], (values.square() / values.square().sum())[:4], rtol=0.02, atol=1e-4)
    assert shown.still


def test_ranks_go_where_most_variance_lies() -> None:
    shares = {"a": torch.tensor([0.5, 0.3, 0.1]), "b": torch.tensor([0.4, 0.05, 0.01]), "c": torch.tensor([0.02, 0.01])}
    assert redistributed(shares, 4) == {"a": 3, "b": 1, "c": 0}


def test_eva_starts_along_the_inputs_main_directions_and_keeps_its_budget(tiny_model_folder: Path) -> None:
    model, found = findings_on(tiny_model_folder, study("eva"))
    assert sum(len(start.down) for start in found.values()) == 4 * 21
    assert all(len(start.down) <= 8 and start.up is None for start in found.values())
    assert len({len(start.down) for start in found.values()}) > 1
    name = "model.layers.0.self_attn.q_proj"
    inputs: list[torch.Tensor] = []
    model.get_submodule(name).register_forward_pre_hook(lambda _, given: inputs.append(given[0][0].detach()))
    for row in reading():
        with torch.no_grad():
            model(input_ids=row.input_ids[None])
        inputs[-1] = inputs[-1][row.trained[1:].nonzero().squeeze(1)]
    vectors = torch.cat(inputs)
    _, _, wanted = torch.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    rank = len(found[name].down)
    assert (found[name].down * wanted[:rank]).sum(1).abs().min() > 0.99


def test_ranks_that_are_named_stay_as_named(tiny_model_folder: Path) -> None:
    _, found = findings_on(tiny_model_folder, study("eva", rank_pattern={"q_proj": 6}))
    assert {len(start.down) for name, start in found.items() if name.endswith("q_proj")} == {6}
    assert {len(start.down) for name, start in found.items() if not name.endswith("q_proj")} == {4}


@pytest.mark.parametrize("last", [False, True])
def test_corda_takes_components_of_the_weight_as_the_data_sees_it(last: bool) -> None:
    """Of what the weight makes of the data the first components hold nearly all, the last next to nothing."""
    torch.manual_seed(0)
    weight = torch.randn(12, 8)
    inputs = torch.randn(500, 8) @ torch.diag(0.5 ** torch.arange(8.0))
    start = components(weight, inputs.T @ inputs, 3, 2.0, last=last)
    assert start.up is not None
    taken = 2.0 * start.up @ start.down
    share = (inputs @ taken.T).norm() / (inputs @ weight.T).norm()
    assert (share < 0.1) if last else (share > 0.9)
    whole = components(weight, inputs.T @ inputs, 8, 2.0, last=last)
    assert whole.up is not None
    torch.testing.assert_close(2.0 * whole.up @ whole.down, weight, rtol=1e-3, atol=1e-3)


def test_lora_ga_starts_along_the_gradient(tiny_model_folder: Path) -> None:
    model, found = findings_on(tiny_model_folder, study("lora_ga"))
    name = "model.layers.1.mlp.up_proj"
    weight = model.get_submodule(name).weight
    assert weight.grad is None
    weight.requires_grad_(True)
    total = torch.zeros_like(weight)
    for row in reading():
        labels = torch.where(row.trained, row.input_ids, -100)[None]
        loss = model(input_ids=row.input_ids[None], labels=labels).loss * row.targets
        total += torch.autograd.grad(loss, weight)[0]
    left, _, right = torch.linalg.svd(total, full_matrices=False)
    scale = len(total) ** 0.25 / 16**0.5
    start = found[name]
    torch.testing.assert_close(
        (start.down @ right[:4].T).abs().diagonal(), torch.full((4,), scale), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(
        (left[:, 4:8].T @ start.up).abs().diagonal(), torch.full((4,), scale), rtol=1e-2, atol=1e-2
    )
    assert aligned(total, 4, 64).down.norm() == pytest.approx(float(start.down.norm()) / 2, rel=1e-3)


@pytest.mark.parametrize("kind", ["corda", "lora_ga"])
def test_a_start_inside_the_weights_leaves_the_model_as_it_was(kind: str, make_run: MakeRun) -> None:
    config = make_run(method={"kind": kind, "rank": 4}).config
    folder = Path(config.base_model.removeprefix("folder:"))
    model = base_model(folder)
    untouched = logits_of(model)
    modules = adaptable_modules(model, config.method.peft_config(config.task))
    found = study(kind).find(model.eval(), modules, reading())
    from workbench.training.starting_point import StartingPoint

    adapted = attach(model, config, folder, StartingPoint(folder.parent / f"start-{kind}.safetensors"), found).model
    torch.testing.assert_close(logits_of(adapted), untouched, rtol=1e-3, atol=1e-3)
    with adapted.disable_adapter():
        assert not torch.allclose(logits_of(adapted), untouched, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_phase_of_its_own_and_is_not_repeated(
    kind: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(method={"kind": kind, "rank": 4, "study_rows": 6}, max_steps=4)
    carry_out(run, StopAt(run, 2))
    phases = [phase for phase, _ in groupby(e.phase for e in run.events() if isinstance(e, PhaseChanged))]
    place = phases.index(Phase.STUDYING)
    assert phases[place - 1] == phases[place + 1] == Phase.INITIALISING
    details = [e for e in run.events() if isinstance(e, PhaseChanged) and e.phase == Phase.STUDYING]
    assert details[0].detail
    assert all(0 <= (event.done or 0) < 1 for event in details)
    assert load_findings(run.path / "studied.safetensors")
    monkeypatch.setattr(type(study(kind)), "find", second_study)
    carry_out(run)
    assert len(losses(run)) == 4


def second_study(*_: Any) -> NoReturn:
    raise AssertionError("the rows were read a second time")


def test_a_study_obeys_a_stop(make_run: MakeRun) -> None:
    class WhileStudying(StopRequest):
        def made(self) -> bool:
            return any(isinstance(e, PhaseChanged) and e.phase == Phase.STUDYING for e in run.events())

    run = make_run(method={"kind": "corda", "rank": 4})
    last = carry_out(run, WhileStudying(run))[-1]
    assert isinstance(last, Finished)
    assert (last.step, last.stopped) == (0, True)
    assert not (run.path / "studied.safetensors").exists()
    with pytest.raises(Stopped):
        WhileStudying(run).obey()


@pytest.mark.parametrize(("method", "field"), [({"rank": 30, "rho": 8.0}, "method.rho"), ({"rank": 70}, "method.rank")])
def test_too_few_trained_tokens_are_refused_before_the_model_is_loaded(
    method: dict[str, Any], field: str, make_run: MakeRun
) -> None:
    run = make_run(method={"kind": "eva", "study_rows": 1, **method})
    with pytest.raises(WorkbenchError, match="trained tokens") as refused:
        carry_out(run)
    assert refused.value.problems[0].field == field
    events = list(run.events())
    assert Phase.INITIALISING not in {e.phase for e in events if isinstance(e, PhaseChanged)}
    assert isinstance(events[-1], Failed)
    assert [problem.field for problem in events[-1].field_problems] == [field]
    assert events[-1].cause == "settings-refused"


def test_the_ranks_that_eva_found_stand_in_the_saved_config(make_run: MakeRun) -> None:
    run = make_run(method={"kind": "eva", "rank": 4, "alpha": 8, "study_rows": 20, "dropout": 0.0}, max_steps=2)
    carry_out(run)
    saved = json.loads((run.adapter / "adapter_config.json").read_text())
    ranks = saved["rank_pattern"]
    assert sum(ranks.values()) == 4 * 21
    assert all(saved["alpha_pattern"][name] == 2 * rank for name, rank in ranks.items())
    assert saved["init_lora_weights"] is True
