"""Other base models than those of the menu: found on the hub, named by their path, or described by a config alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.errors import WorkbenchError
from workbench.models import Models
from workbench.models.sources.config import EXAMPLE
from workbench.ui.components.form import Updates
from workbench.ui.components.markup import markup
from workbench.ui.components.problems import problem_list

PATH_HELP = "A folder with config.json and safetensors files, or a .gguf file, on the machine that serves this page."
CONFIG_HELP = "A whole config.json, pasted or typed. Nothing can be trained on it, and everything can be counted."


class ModelFinder:
    """Folded away until somebody asks for it."""

    def __init__(self) -> None:
        with gr.Accordion("Find another base model", open=False), gr.Tabs():
            with gr.Tab("Hub"):
                markup("<lw-models></lw-models>")
            with gr.Tab("Path"):
                self.path = gr.Textbox(label="Path", info=PATH_HELP, max_lines=1, placeholder="/models/my-model")
                self.use_path = gr.Button("Use it", size="md")
                self.path_problems = markup()
            with gr.Tab("Config"):
                self.config = gr.Textbox(
                    EXAMPLE, label="config.json", info=CONFIG_HELP, lines=12, max_lines=40, elem_classes="lw-code"
                )
                self.name = gr.Textbox(label="Name", info="How the menu calls it; may stay empty.", max_lines=1)
                self.use_config = gr.Button("Count it", size="md")
                self.config_problems = markup()
        self.chosen = gr.Textbox(visible="hidden", label="Chosen base model", elem_classes="lw-told-model")

    def wire(self, models: Models, base_model: gr.Dropdown) -> None:
        """Let each way of finding set `base_model`."""
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

        def use_path(path: str) -> Updates:
            return self._use(lambda: _reference_of(path), base_model, self.path_problems, "This path cannot be used")

        def use_config(text: str, name: str) -> Updates:
            return self._use(
                lambda: models.write_down(text, name), base_model, self.config_problems, "This config cannot be used"
            )

        self.use_path.click(use_path, self.path, [base_model, self.path_problems], **private)
        self.path.submit(use_path, self.path, [base_model, self.path_problems], **private)
        self.use_config.click(use_config, [self.config, self.name], [base_model, self.config_problems], **private)
        self.chosen.change(lambda reference: reference, self.chosen, base_model, queue=False, **private)

    @staticmethod
    def _use(find: Callable[[], str], base_model: Component, problems: Component, heading: str) -> Updates:
        """Choose the model that `find` names, or say why there is none."""
        try:
            return {base_model: find(), problems: ""}
        except WorkbenchError as error:
            return {problems: problem_list(error.problems, heading)}


def _reference_of(path: str) -> str:
    """The reference of what lies at `path`; raises `WorkbenchError` when nothing does."""
    place = Path(path.strip().strip("\"'")).expanduser()
    if not path.strip():
        raise WorkbenchError("No path was entered.", remedy="Enter the path of a folder or of a .gguf file.")
    if place.is_dir():
        return f"folder:{place}"
    if place.is_file() and place.suffix == ".gguf":
        return f"gguf:{place}"
    if place.is_file():
        raise WorkbenchError(f"{place.name} is no GGUF file.", remedy="Name the folder that holds the model's files.")
    raise WorkbenchError(f"There is nothing at {place}.", remedy="Check the path; it is looked up on the server.")
