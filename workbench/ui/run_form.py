"""The whole form of a run: base model, data, method, training; read into a `RunConfig`, and filled from one.

Knows the components and the order in which they stand. What happens when somebody touches them stands in `train`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError

from workbench.config import DataConfig, RunConfig, SamplesConfig
from workbench.data.samples import samples
from workbench.errors import Problem, WorkbenchError
from workbench.method import METHODS
from workbench.models.source import SOURCES
from workbench.recipes import recipes
from workbench.records.base_models import Blueprint
from workbench.training_config import TrainingConfig
from workbench.ui.components import dataset_card, model_card, problems
from workbench.ui.components.form import Form, Updates
from workbench.ui.components.markup import markup
from workbench.ui.details import Details
from workbench.ui.method_form import MethodForm
from workbench.ui.model_finder import ModelFinder
from workbench.ui.rate_finder import RateFinder

if TYPE_CHECKING:
    from workbench.services import Services

ROW_FILES = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".gz", ".txt", ".ndjson"]
RECIPE_HELP = "Settings that somebody published, to begin with; everything can be changed afterwards."
RECENT_MODELS, RUNS_LOOKED_AT = 3, 50
TRAINING_FIRST = ("epochs", "batch_size", "max_steps")
DATA_FOLDED = tuple(name for name in DataConfig.model_fields if name != "dataset")


class RunForm:
    """Built in place: creating it places its components on the page."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._form = Form()
        choices = [(each.title, each.name) for each in recipes()]
        with gr.Column(elem_classes="lw-section"):
            self.recipe = gr.Dropdown(choices, value=None, label="Start from a recipe", info=RECIPE_HELP)
        self._place_base_model()
        self._place_data()
        with _section("Method"):
            self.method = MethodForm(self._form)
        with _section("What is trained"):
            self.details = Details()
        self._place_training()

    def _place_base_model(self) -> None:
        with _section("Base model"):
            field = RunConfig.model_fields["base_model"]
            self.base_model = gr.Dropdown(
                self.models(), value=field.default, label=field.title, info=field.description, allow_custom_value=True
            )
            self._form.adopt("base_model", self.base_model, field.description or "")
            self.model_card = markup()
            self.finder = ModelFinder()

    def _place_data(self) -> None:
        fields = DataConfig.model_fields
        with _section("Data"):
            with gr.Row(equal_height=False):
                self.dataset = gr.Dropdown(
                    self.datasets(),
                    value=fields["dataset"].default,
                    label=fields["dataset"].title,
                    info="A sample, a file you added, or a path on the server.",
                    allow_custom_value=True,
                    scale=3,
                )
                self.upload = gr.UploadButton("Add a file", file_types=ROW_FILES, scale=1, min_width=140)
            self._form.adopt("data.dataset", self.dataset, "A sample, a file you added, or a path on the server.")
            self.dataset_card = markup()
            with gr.Accordion("Data settings", open=False), gr.Row(elem_classes="lw-even"):
                self._form.add_part("data", DataConfig, [name for name in fields if name != "dataset"])

    def _place_training(self) -> None:
        folded = [name for name in TrainingConfig.model_fields if name not in ("learning_rate", *TRAINING_FIRST)]
        with _section("Training"):
            with gr.Row(equal_height=False):
                self._form.add_part("training", TrainingConfig, ["learning_rate"])
                self.rate = RateFinder()
            self.rate.place_panel()
            with gr.Row(elem_classes="lw-even"):
                self._form.add_part("training", TrainingConfig, TRAINING_FIRST)
            with gr.Accordion("More training settings", open=False), gr.Row(elem_classes="lw-even"):
                self._form.add_part("training", TrainingConfig, folded)
            with gr.Accordion("Sample answers while it learns", open=False):
                fields = SamplesConfig.model_fields
                self._form.add("samples.prompts", fields["prompts"], lines=3)
                self._form.add("samples.max_tokens", fields["max_tokens"])
            self._form.add("name", RunConfig.model_fields["name"])

    @property
    def components(self) -> list[Any]:
        """Everything that is read."""
        return list(dict.fromkeys([*self._form.components.values(), *self.method.components]))

    @property
    def touched(self) -> list[Any]:
        """The events that tell of a hand on anything but base model, dataset and method."""
        return [
            component.input  # type: ignore[attr-defined]
            for path, component in self._form.components.items()
            if path.startswith(("data.", "training.")) and component is not self.dataset
        ]

    @property
    def outputs(self) -> list[Any]:
        """Everything that `fill` and `mark` may change."""
        return [*self.components, self.method.targets.box, self.model_card, self.dataset_card]

    def change(self, fields: Mapping[str, Any]) -> Updates:
        """Updates that put values into the fields named by dotted paths; others are left alone."""
        nested: dict[str, Any] = {}
        for path, value in fields.items():
            part, _, name = path.partition(".")
            nested.setdefault(part, {})[name] = value
        return self._form.show(nested)

    def models(self) -> list[tuple[str, str]]:
        """The menu of base models: those of the last runs first."""
        used = dict.fromkeys(run.base_model for run in self._services.runs.list()[:RUNS_LOOKED_AT])
        kinds = SOURCES.kinds()
        recent = [reference for reference in used if reference.partition(":")[0] in kinds][:RECENT_MODELS]
        return [model_card.choice(card) for card in self._services.models.cards(recent)]

    def datasets(self) -> list[tuple[str, str]]:
        """The menu of datasets: samples first, then the library."""
        bundled = [(f"{sample.title} · sample", f"sample:{sample.name}") for sample in samples()]
        names = {sample.name for sample in samples()}
        library = self._services.datasets.list()
        added = [dataset for dataset in library if dataset.parent or dataset.name not in names]
        return [*bundled, *map(dataset_card.choice, added)]

    def read(self, values: Mapping[Component, Any]) -> RunConfig:
        """The config that the components describe; raises `WorkbenchError` with every problem."""
        nested = self._form.read(values)
        blueprint = self.blueprint(str(nested.get("base_model", "")))
        nested["method"] = self.method.read(values, blueprint)
        try:
            return RunConfig.parse(nested)
        except WorkbenchError as error:
            raise WorkbenchError.of([*error.problems, *_misfits(nested["method"], blueprint)]) from error

    def read_choices(self, values: Mapping[Component, Any]) -> RunConfig:
        """Base model, dataset and name alone."""
        nested = self._form.read(values)
        data = {"dataset": nested.get("data", {}).get("dataset") or DataConfig().dataset}
        return RunConfig.parse({"base_model": nested.get("base_model"), "name": nested.get("name", ""), "data": data})

    def read_method(self, values: Mapping[Component, Any]) -> RunConfig:
        """Base model and method alone, which is all that the count needs; the rest has its defaults."""
        base_model = str(values.get(self.base_model) or "")
        method = self.method.read(values, self.blueprint(base_model))
        return RunConfig.parse({"base_model": base_model, "method": method})

    def blueprint(self, reference: str) -> Blueprint | None:
        """The shape of the base model, or None where it cannot be read; then its problem is reported with the rest."""
        try:
            return self._services.models.blueprint(reference)
        except WorkbenchError:
            return None

    def fill(self, config: RunConfig) -> Updates:
        """Updates that show `config`, its base model and its dataset."""
        values = config.model_dump(mode="json")
        method = values.pop("method")
        values["data"].pop("dataset")
        updates = self._form.show(values) | self.method.show(config.method.kind, method)
        for component, update in self.about_model(config.base_model, method.get("target_modules")).items():
            shown = updates.get(component)
            updates[component] = {**shown, **update} if isinstance(shown, dict) else update
        updates |= {self.base_model: gr.update(choices=self.models(), value=config.base_model)}
        updates |= {self.dataset: gr.update(choices=self.datasets(), value=config.data.dataset)}
        return updates | self.about_dataset(config.data.dataset)

    def mark(
        self, error: WorkbenchError | None, values: Mapping[Component, Any], marked: list[str]
    ) -> tuple[Updates, list[str]]:
        """Updates that put the problems beside the fields of the chosen method and all others, and where they stand."""
        kind = values.get(self.method.kind) or self.method.kind.value
        return self._form.mark(self.method.locate(kind, error.problems if error else (), values), marked)

    def about_model(self, reference: str, targets: Any = None) -> Updates:
        """Updates that show the card of a base model and offer its modules as targets."""
        try:
            card, blueprint = self._services.models.card(reference), self._services.models.blueprint(reference)
        except WorkbenchError as error:
            return {self.model_card: problems.problem_list(error.problems, "This base model cannot be used")}
        return {self.model_card: model_card.model_card(card, blueprint)} | self.method.targets.offer(blueprint, targets)

    def about_dataset(self, reference: str) -> Updates:
        """Updates that show the card of a dataset."""
        library = self._services.datasets
        try:
            dataset = library.resolve(reference)
            first = library.conversations(dataset.id)[:3]
            card = dataset_card.dataset_card(dataset, first, library.problems(dataset.id))
        except WorkbenchError as error:
            card = problems.problem_list(error.problems, "This file cannot be used")
        return {self.dataset_card: card}


def _misfits(method: dict[str, Any], blueprint: Blueprint | None) -> list[Problem]:
    """What is wrong with the method on that model, asked even where other fields are wrong too."""
    if blueprint is None:
        return []
    try:
        return METHODS.get(method["kind"]).model_validate(method).check(blueprint)
    except ValidationError:
        return []  # its own fields are wrong, and have been reported


def _section(title: str) -> gr.Column:
    column = gr.Column(elem_classes="lw-section")
    with column:
        markup(f"<h2>{title}</h2>")
    return column
