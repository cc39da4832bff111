"""The page that makes a run: the form at the left, what it would train at the right, and the button that starts it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from workbench import config_file
from workbench.calculator.device import Device, this_device
from workbench.calculator.report import parameter_report
from workbench.calculator.verdict import estimate
from workbench.config import RunConfig
from workbench.errors import WorkbenchError, refuse
from workbench.recipes import recipe, started_from
from workbench.records.base_models import Blueprint
from workbench.ui.components.count import count_panel, no_count
from workbench.ui.components.form import Updates
from workbench.ui.components.markup import markup
from workbench.ui.components.memory import memory_panel
from workbench.ui.components.problems import problem_list
from workbench.ui.data import asked_for
from workbench.ui.run_form import RunForm

if TYPE_CHECKING:
    from workbench.services import Services

GO_TO_RUN = "(id) => { if (id) window.location.assign('runs?run=' + encodeURIComponent(id)) }"
SAVE_FILE = "(text) => { if (text) window.workbench.save('run.yaml', text, 'application/yaml') }"
QUICK: dict[str, Any] = {
    "queue": False,
    "trigger_mode": "always_last",
    "show_progress": "hidden",
    "api_visibility": "private",
}
DEVICE_SECONDS = 5.0
"""What is free on the device is looked up no more often than this."""
SLOW: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", "concurrency_limit": 4}

Values = Mapping[Component, Any]


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page and wire it."""
    markup('<h1 class="lw-title">New run</h1>')
    with gr.Row(elem_classes="lw-split"):
        with gr.Column(scale=3, min_width=320):
            form = RunForm(services)
        with gr.Column(scale=2, min_width=320, elem_classes="lw-aside"):
            side = Side()
    Train(services, form, side).wire(site)


class Side:
    """What stands beside the form: the count, the problems, the buttons."""

    def __init__(self) -> None:
        self.count = markup()
        self.memory = markup()
        self.problems = markup()
        self.start = gr.Button("Start run", variant="primary", size="lg")
        with gr.Row():
            self.open = gr.UploadButton("Open YAML", file_types=[".yaml", ".yml", ".json"], size="md", min_width=120)
            self.save = gr.Button("Save as YAML", size="md", min_width=120)
        self.entry = gr.Dropdown([], value=None, label="Config in the file", visible=False)
        self.opened = gr.State("")
        self.marked = gr.State([])
        self.refused = gr.State("")
        """The run whose settings these were when they came, if its worker refused some of them."""
        self.started = gr.Textbox(visible="hidden", label="Started run")
        self.change = gr.Textbox(visible="hidden", label="Settings to change", elem_classes="lw-told-change")
        self.yaml = gr.Textbox(visible="hidden", label="Run config as YAML")


class Train:
    """The page's callbacks: each reads the form, calls one service, and returns what changed."""

    def __init__(self, services: Services, form: RunForm, side: Side) -> None:
        self._services = services
        self._form = form
        self._side = side
        self._looked: tuple[float, Device | None] = (0.0, None)

    def wire(self, site: gr.Blocks) -> None:
        """Connect every event of the page."""
        form, side = self._form, self._side
        read = {*form.components, side.marked, side.refused}
        shown = [*form.outputs, side.count, side.memory, side.problems, side.marked]
        kind = form.method.kind
        countable = {form.base_model, *form.method.components}
        explained = [*shown, *form.details.outputs]

        def counted(event: Any) -> None:
            """The number first, by itself, since a hand waits for it; then all that follows from it."""
            event.then(self.recount, countable, side.count, **QUICK).then(self.explain, read, explained, **QUICK)

        moved = gr.on(form.method.touched, self.recount, countable, side.count, **QUICK)
        moved.then(self.explain, read, explained, **QUICK)
        gr.on(form.touched, self.explain, read, explained, **QUICK)
        chosen = [*form.method.components, form.method.targets.box]
        counted(kind.input(self.choose_method, {kind}, chosen, **QUICK))
        for button in form.method.targets.picks:
            counted(button.click(self.pick_targets, {button, form.base_model}, form.method.components, **QUICK))
        counted(side.change.change(self.apply_change, {side.change}, form.components, **QUICK))
        counted(form.base_model.change(self.choose_model, read, shown, **SLOW))
        counted(form.recipe.input(self.start_from, read | {form.recipe}, [*shown, form.recipe], **SLOW))
        form.finder.wire(self._services.models, form.base_model)
        form.dataset.change(self.choose_dataset, read, [form.dataset_card], **SLOW)
        form.upload.upload(self.add_file, form.upload, [form.dataset, form.dataset_card], **SLOW)
        form.rate.find.click(self.find_rate, read, [*shown, form.rate.panel], **SLOW)
        side.start.click(self.start, read, [*shown, side.started], **SLOW).then(None, side.started, js=GO_TO_RUN)
        counted(side.open.upload(self.open_file, side.open, [*shown, side.entry, side.opened], **SLOW))
        counted(side.entry.input(self.pick_config, {side.entry, side.opened}, shown, **SLOW))
        side.save.click(self.save_yaml, read, [*shown, side.yaml], **SLOW).then(None, side.yaml, js=SAVE_FILE)
        counted(site.load(self.arrive, None, [*shown, form.rate.panel, side.refused], **SLOW))

    def arrive(self, request: gr.Request) -> Updates:
        """The default form, with ``?from=RUN`` the settings of that run, or what the Data page asked for.

        What that run's worker refused is told; `explain` puts it beside its fields.
        """
        query = request.query_params
        source = query.get("from", "")
        try:
            config = self._services.runs.config(source) if source else asked_for(query)
            wrong = self._services.runs.get(source).field_problems if source else ()
        except WorkbenchError as error:
            return self._form.fill(RunConfig()) | self._refused(error, {}, "That run cannot be opened")
        told = {
            self._form.rate.panel: self._form.rate.going_on(self._services.range_tests),
            self._side.problems: problem_list(wrong, "The worker refused these settings"),
            self._side.refused: source if wrong else "",
        }
        return self._form.fill(config) | told

    def recount(self, values: Values) -> str:
        """The number for what the form says now; a dash and the reason while that is wrong."""
        try:
            config = self._form.read_method(values)
            return count_panel(self._services.count(config), config)
        except WorkbenchError as error:
            return no_count(error.message)

    def explain(self, values: Values) -> Updates:
        """How the number adds up, where it sits, what other ways would train; and the memory of a step.

        Problems stand beside their fields, and fields that are right again are cleared.
        """
        try:
            config = self._form.read_method(values)
            blueprint = self._services.models.blueprint(config.base_model)
            refuse(config.method.check(blueprint))
        except WorkbenchError as error:
            return self._marked(error, values) | self._form.details.clear() | {self._side.memory: ""}
        details = self._form.details.show(parameter_report(config, blueprint))
        marked = self._marked(self._refused_by_worker(values), values)
        return marked | details | {self._side.memory: self._memory(values, blueprint)}

    def _refused_by_worker(self, values: Values) -> WorkbenchError | None:
        """What the worker refused, as long as the settings are those of the run that they came from."""
        source = values.get(self._side.refused)
        try:
            if not source or self._form.read(values) != self._services.runs.config(source):
                return None
            return WorkbenchError.of(self._services.runs.get(source).field_problems)
        except WorkbenchError:  # it is deleted by now, or the form is wrong elsewhere
            return None

    def _memory(self, values: Values, blueprint: Blueprint) -> str:
        """The memory of a step, as long as the whole form makes sense."""
        try:
            return memory_panel(estimate(self._form.read(values), blueprint, self._device()))
        except WorkbenchError:
            return ""

    def _device(self) -> Device:
        """What this machine has, looked at again after a few seconds."""
        looked, device = self._looked
        if device is None or time.monotonic() - looked > DEVICE_SECONDS:
            device = this_device()
            self._looked = (time.monotonic(), device)
        return device

    def choose_method(self, values: Values) -> Updates:
        """The fields of the chosen method."""
        return self._form.method.choose(values[self._form.method.kind])

    def pick_targets(self, values: Values) -> Updates:
        """The ticks that the pressed button stands for."""
        blueprint = self._form.blueprint(str(values[self._form.base_model] or ""))
        pressed = next(values[button] for button in self._form.method.targets.picks if button in values)
        return self._form.method.targets.pick(blueprint, pressed) if blueprint else {}

    def apply_change(self, values: Values) -> Updates:
        """The settings of the button that was pressed beside the memory."""
        return self._form.change(json.loads(values[self._side.change])["fields"])

    def choose_model(self, values: Values) -> Updates:
        """The card of the chosen base model, and its modules."""
        return self._form.about_model(values[self._form.base_model] or "")

    def choose_dataset(self, values: Values) -> Updates:
        """The card of the chosen dataset."""
        return self._form.about_dataset(values[self._form.dataset] or "")

    def add_file(self, path: str) -> Updates:
        """Put an uploaded file into the library and choose it; what is wrong with it is listed."""
        try:
            dataset = self._services.datasets.add(Path(path), name=Path(path).name)
        except WorkbenchError as error:
            heading = f"{Path(path).name} cannot be used"
            return {self._form.dataset_card: problem_list(error.problems, heading)}
        chosen = {self._form.dataset: gr.update(choices=self._form.datasets(), value=dataset.id)}
        return chosen | self._form.about_dataset(dataset.id)

    def start_from(self, values: Values) -> Updates:
        """The settings of the chosen recipe, on the base model and dataset at hand where it names none."""
        chosen = recipe(values[self._form.recipe])
        try:
            at_hand = self._form.read_choices(values)
        except WorkbenchError:
            at_hand = RunConfig()
        shown = self._form.fill(started_from(chosen, at_hand))
        return shown | {self._form.recipe: gr.update(info=f"{chosen.about} Source: {chosen.source}.")}

    def find_rate(self, values: Values) -> Updates:
        """Begin to search for a learning rate; what keeps it from beginning stands beside the field it means."""
        panel = self._form.rate.panel
        try:
            test = self._services.find_learning_rate(self._form.read(values))
        except WorkbenchError as error:
            return self._marked(error, values) | {panel: self._form.rate.refused(error)}
        return self._marked(None, values) | {panel: self._form.rate.following(test.id)}

    def start(self, values: Values) -> Updates:
        """Queue the run and name it; nothing is made when anything is wrong."""
        try:
            run = self._services.submit(self._form.read(values))
        except WorkbenchError as error:
            return self._refused(error, values, "The run was not started") | {self._side.started: ""}
        return {self._side.started: run.id, self._side.problems: ""}

    def open_file(self, path: str) -> Updates:
        """Show the run config in a file, or the names of those that it holds."""
        name, menu = Path(path).name, self._side.entry
        try:
            names = config_file.names_in(Path(path))
        except WorkbenchError as error:
            return self._refused(error, {}, f"{name} cannot be opened") | {menu: gr.update(visible=False)}
        if len(names) < 2:
            return self._show_config(path, None) | {menu: gr.update(visible=False)}
        info = f"{name} holds {len(names)}; choose the one to open."
        offered = gr.update(choices=list(names), value=None, info=info, visible=True)
        return {menu: offered, self._side.opened: path, self._side.problems: ""}

    def pick_config(self, values: Values) -> Updates:
        """Show the chosen one of the configs in the file that was opened."""
        return self._show_config(values[self._side.opened], values[self._side.entry])

    def _show_config(self, path: str, pick: str | None) -> Updates:
        try:
            config = config_file.load(Path(path), pick)
        except WorkbenchError as error:
            what = f"“{pick}” in {Path(path).name}" if pick else Path(path).name
            return self._refused(error, {}, f"{what} cannot be opened")
        return self._form.fill(config) | {self._side.problems: ""}

    def save_yaml(self, values: Values) -> Updates:
        """The form as a run config's YAML, for the browser to keep."""
        try:
            text = config_file.to_yaml(self._form.read(values))
        except WorkbenchError as error:
            return self._refused(error, values, "Nothing was saved") | {self._side.yaml: ""}
        return {self._side.yaml: text, self._side.problems: ""}

    def _marked(self, error: WorkbenchError | None, values: Values) -> Updates:
        """Updates that put the problems of `error` beside their fields, and clear the fields that are right again."""
        updates, wrong = self._form.mark(error, values, values.get(self._side.marked) or [])
        return updates | {self._side.marked: wrong}

    def _refused(self, error: WorkbenchError, values: Values, heading: str) -> Updates:
        return self._marked(error, values) | {self._side.problems: problem_list(error.problems, heading)}
