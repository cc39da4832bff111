"""What follows from the count, in three tabs: how it adds up, where it sits, and what other ways would train."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.calculator.report import ParameterReport
from workbench.method import METHODS
from workbench.ui.components.comparison import comparison_table
from workbench.ui.components.count import sum_table
from workbench.ui.components.form import Updates
from workbench.ui.components.layer_chart import layer_chart
from workbench.ui.components.markup import markup


class Details:
    """Placed where it is created; drawn from a report."""

    def __init__(self) -> None:
        with gr.Tabs():
            with gr.Tab("The sum"):
                self.sum = markup()
            with gr.Tab("By layer"):
                self.layers = markup()
            with gr.Tab("Other ways"):
                self.compared = markup()

    @property
    def outputs(self) -> list[Any]:
        """All that `show` and `clear` change."""
        return [self.sum, self.layers, self.compared]

    def show(self, report: ParameterReport) -> Updates:
        """Draw all three."""
        chosen = f"{METHODS.get(report.method).title}, as chosen"
        return {
            self.sum: sum_table(report.groups, report.formula),
            self.layers: layer_chart(report.layers),
            self.compared: comparison_table(chosen, report.trainable, report.base, report.comparisons),
        }

    def clear(self) -> Updates:
        """Say that there is nothing to draw while the settings are wrong."""
        words = '<p class="lw-note">Nothing to show while a setting is wrong; see the red field.</p>'
        return dict.fromkeys(self.outputs, words)
