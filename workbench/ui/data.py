"""The page of the data: the library, what is wrong with a file, and each row as the model will see it.

The page is an element of its own in the browser (``static/data.js``) that asks the API of ``web/data.py``. What it
shows stands in its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import gradio as gr

from workbench.config import DataConfig, RunConfig
from workbench.training_config import TrainingConfig
from workbench.ui.components.markup import markup

if TYPE_CHECKING:
    from workbench.services import Services


def page(services: Services, site: gr.Blocks) -> None:
    """Place the page."""
    markup("<lw-data></lw-data>")


def asked_for(query: Mapping[str, str]) -> RunConfig:
    """The run that the page's button asks for in an address; the default one where it says nothing.

    Raises `WorkbenchError` for a setting that makes no sense.
    """
    data = {name: query[name] for name in DataConfig.model_fields if name in query}
    training = {name: query[name] for name in TrainingConfig.model_fields if name in query}
    base_model = {"base_model": query["base_model"]} if "base_model" in query else {}
    return RunConfig.parse({**base_model, "data": data, "training": training})
