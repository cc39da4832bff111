"""Finding a learning rate: the button beside its field, and the panel that opens under it.

The panel's own element follows the search, draws its curve and hands the suggestion to the form.
"""

from __future__ import annotations

import html

import gradio as gr

from workbench.errors import WorkbenchError
from workbench.runs.range_tests import RangeTests
from workbench.ui.components.markup import markup
from workbench.ui.components.problems import problem_list


class RateFinder:
    """Placed where it is created, on the row of the field; `place_panel` puts the panel below."""

    panel: gr.HTML

    def __init__(self) -> None:
        self.find = gr.Button("Find", scale=0, min_width=110, elem_classes="lw-find-rate")

    def place_panel(self) -> None:
        """The place under the field, empty until somebody searches."""
        self.panel = markup()

    @staticmethod
    def following(test_id: str) -> str:
        """The panel of a search."""
        return f'<lw-range-test test="{html.escape(test_id, quote=True)}"></lw-range-test>'

    @staticmethod
    def refused(error: WorkbenchError) -> str:
        """Why there is no search."""
        return problem_list(error.problems, "No learning rate was searched for")

    def going_on(self, tests: RangeTests) -> str:
        """The search that goes on at this moment, for a page that is opened anew; nothing when there is none."""
        newest = next(iter(tests.list()), None)
        return self.following(newest.id) if newest is not None and newest.status == "running" else ""
