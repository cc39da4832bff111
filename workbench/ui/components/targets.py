"""The choice of target modules: the model's own names, ticked part by part, or an expression that replaces them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from workbench.methods.matching import ALL_LINEAR, is_all_linear, parse_targets
from workbench.methods.parts import ATTENTION, MLP, PARTS, targetable
from workbench.records.base_models import Blueprint
from workbench.ui.components.form import Form, Updates, as_text
from workbench.ui.components.markup import markup

TARGETS = "target_modules"
EXPRESSION = f"method.{TARGETS}@expression"
_HELP = "The modules of this base model that get an adapter."
_EXPRESSION_HELP = "A regular expression that matches whole names; when filled in, it replaces the ticks above."
_PICKS = {"All linear": None, "Attention only": ATTENTION, "MLP only": MLP}
"""What each button ticks: the linear modules of a part, or of all."""


class TargetPicker:
    """A group of ticks for each part of a model, buttons that tick a whole part, and a line for an expression."""

    def __init__(self, form: Form) -> None:
        with gr.Column(elem_classes="lw-targets") as self.box:
            markup(f'<p class="lw-legend">Target modules</p><p class="lw-hint">{_HELP}</p>')
            with gr.Row(elem_classes="lw-picks"):
                self.picks = [gr.Button(name, size="sm", min_width=96, scale=0) for name in _PICKS]
            self.ticks = {part: gr.CheckboxGroup(label=part) for part in PARTS}
            self.expression = gr.Textbox(
                label="Target modules by expression",
                info=_EXPRESSION_HELP,
                placeholder=r".*\.(q_proj|v_proj)",
                max_lines=1,
            )
        form.adopt(f"method.{TARGETS}", self.ticks[ATTENTION])
        form.adopt(EXPRESSION, self.expression, _EXPRESSION_HELP)

    @property
    def components(self) -> list[Any]:
        """All that is read."""
        return [*self.ticks.values(), self.expression]

    def show(self, visible: bool) -> Updates:
        """Updates that show or hide the choice, for methods that have targets and those that have none."""
        return {self.box: gr.update(visible=visible)}

    def offer(self, blueprint: Blueprint, targets: Any = None) -> Updates:
        """Updates that list the modules of `blueprint`, with those of `targets` ticked; all linear ones if None."""
        names = targetable(blueprint)
        known = {each.name for each in names}
        ticked, expression = {each.name for each in names if each.linear}, ""
        if isinstance(targets, str) and not is_all_linear(targets):
            ticked, expression = set(), targets
        elif targets is not None and not isinstance(targets, str):
            ticked = set(targets) & known
            expression = "" if len(ticked) == len(targets) else as_text(targets)
        return self._ticked(blueprint, ticked, listed=True) | {self.expression: gr.update(value=expression)}

    def pick(self, blueprint: Blueprint, name: str) -> Updates:
        """Updates that tick what the button of that name stands for."""
        part = _PICKS[name]
        ticked = {each.name for each in targetable(blueprint) if each.linear and part in (None, each.part)}
        return self._ticked(blueprint, ticked) | {self.expression: gr.update(value="")}

    def _ticked(self, blueprint: Blueprint, ticked: set[str], *, listed: bool = False) -> Updates:
        updates: Updates = {}
        for part, group in self.ticks.items():
            names = [each for each in targetable(blueprint) if each.part == part]
            updates[group] = gr.update(value=[each.name for each in names if each.name in ticked])
            if listed:
                choices = [(f"{each.name} ×{each.count}", each.name) for each in names]
                updates[group] |= {"choices": choices, "visible": bool(choices)}
        return updates

    def read(self, values: Mapping[Component, Any], blueprint: Blueprint | None) -> Any:
        """The targets as the config writes them: all linear ones are ``all-linear``, which holds for any model."""
        expression = str(values.get(self.expression) or "").strip()
        if expression:
            return parse_targets(expression)
        ticked = tuple(name for group in self.ticks.values() for name in values.get(group) or ())
        if blueprint is None:
            return ticked or ALL_LINEAR
        linear = {each.name for each in targetable(blueprint) if each.linear}
        return ALL_LINEAR if set(ticked) == linear else ticked

    def place(self, values: Mapping[Component, Any]) -> str:
        """Where a problem with the targets belongs: beside the expression if there is one, else beside the ticks."""
        return EXPRESSION if values.get(self.expression) else f"method.{TARGETS}"
