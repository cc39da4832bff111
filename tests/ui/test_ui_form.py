"""A form is what its fields say: type, bounds, default and help; and it reads back what it shows."""

from __future__ import annotations

import gradio as gr
import pytest

from workbench.config import DataConfig, RunConfig
from workbench.errors import Problem
from workbench.part import Part
from workbench.training_config import TrainingConfig
from workbench.ui.components.form import WRONG, Form


@pytest.fixture
def form() -> Form:
    form = Form()
    with gr.Blocks():
        form.add_part("training", TrainingConfig, TrainingConfig.model_fields)
        form.add_part("data", DataConfig, DataConfig.model_fields)
    return form


def test_every_field_has_its_title_help_and_default(form: Form) -> None:
    for part, name in ((TrainingConfig, "learning_rate"), (TrainingConfig, "schedule"), (DataConfig, "train_on")):
        field = part.model_fields[name]
        prefix = "training" if part is TrainingConfig else "data"
        component = form.components[f"{prefix}.{name}"]
        assert (component.label, component.info) == (field.title, field.description)
        assert component.value == field.default


def test_choices_numbers_and_empty_numbers(form: Form) -> None:
    schedule = form.components["training.schedule"]
    assert isinstance(schedule, gr.Dropdown)
    assert [value for _, value in schedule.choices] == ["linear", "cosine", "constant"]
    steps = form.components["training.max_steps"]
    assert isinstance(steps, gr.Number)
    assert steps.value is None


def test_what_is_shown_is_read_back(form: Form) -> None:
    config = RunConfig.parse({"training": {"max_steps": 7, "learning_rate": 3e-4}, "data": {"train_on": "all"}})
    updates = form.show(config.model_dump(mode="json"))
    values = {component: update["value"] for component, update in updates.items()}
    assert RunConfig.parse(form.read(values)) == config


def test_an_emptied_field_takes_its_default(form: Form) -> None:
    nested = form.read({form.components["training.epochs"]: None, form.components["training.seed"]: 3})
    assert nested == {"training": {"seed": 3}}


def test_a_problem_stands_beside_its_field_and_goes_when_it_is_solved(form: Form) -> None:
    problem = Problem("This must be more than 0.", "Enter a larger number.", "training.learning_rate")
    updates, wrong = form.mark([problem])
    component = form.components["training.learning_rate"]
    assert wrong == ["training.learning_rate"]
    assert updates[component]["info"] == "This must be more than 0. Enter a larger number."
    assert updates[component]["elem_classes"] == [WRONG]
    cleared, wrong = form.mark([], wrong)
    assert wrong == []
    assert cleared == {component: gr.update(info=component.info, elem_classes=[])}


def test_a_problem_deeper_than_any_field_stands_beside_the_one_around_it(form: Form) -> None:
    _, wrong = form.mark([Problem("No.", field="data.dataset.3"), Problem("No place.", field="elsewhere")])
    assert wrong == ["data.dataset"]


def test_a_new_kind_of_field_needs_nothing_here() -> None:
    class Extra(Part):
        flag: bool = False
        word: str = "x"

    form = Form()
    with gr.Blocks():
        flag, word = form.add_part("extra", Extra, Extra.model_fields)
    assert isinstance(flag, gr.Checkbox)
    assert isinstance(word, gr.Textbox)


def test_an_empty_optional_text_is_left_out() -> None:
    class Extra(Part):
        group: str | None = None

    form = Form()
    with gr.Blocks():
        (group,) = form.add_part("extra", Extra, Extra.model_fields)
    assert group.value == ""
    assert form.read({group: ""}) == {}
    assert form.read({group: "topic"}) == {"extra": {"group": "topic"}}


def test_a_slider_widens_for_what_a_file_brings() -> None:
    from workbench.methods.lora import Lora

    form = Form()
    with gr.Blocks():
        rank = form.add("method.rank", Lora.model_fields["rank"], slider=(1, 256, 1))
    update = form.show({"method": {"rank": 1024}})[rank]
    assert (update["value"], update["maximum"]) == (1024, 1024)
