"""The part of the form that says how the base model is adapted: the method, its fields, and the target modules.

The fields are those of all methods in the registry, one component a name; choosing a method shows its own. So a rank
that was set for one method is still there for the next, and a new method's file needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from workbench.config import METHODS, Method
from workbench.methods.matching import is_all_linear, last_part, linear_modules, parse_targets
from workbench.records import Blueprint
from workbench.ui.components.form import Form, Updates

SLIDERS = {"rank": (1, 256, 1), "alpha": (0, 512, 1), "dropout": (0, 0.5, 0.01)}
"""The range a hand moves in; an opened file may go beyond, up to the field's own bounds."""
_OWN = ("kind", "target_modules")


class MethodForm:
    """Places the method's components into `form` and knows which belong to which method."""

    def __init__(self, form: Form) -> None:
        self._form = form
        first = METHODS.kinds()[0]
        self.kind = form.adopt("method.kind", _kind_menu(first))
        shown = METHODS.get(first).model_fields
        for name, field in _fields():
            if name in SLIDERS:
                form.add(f"method.{name}", field, slider=SLIDERS[name])
        help_text = METHODS.get(first).model_fields["target_modules"].description or ""
        self.ticks = gr.CheckboxGroup(label="Target modules", info=help_text, show_select_all=True)
        form.adopt("method.target_modules", self.ticks, help_text)
        others = [(name, field) for name, field in _fields() if name not in SLIDERS]
        with gr.Accordion("More method settings", open=False):
            self.pattern = gr.Textbox(
                label="Target modules by expression",
                info="A regular expression that matches whole names; when filled in, it replaces the ticks above.",
                placeholder=r".*\.(q_proj|v_proj)",
                max_lines=1,
            )
            for name, field in others:
                form.add(f"method.{name}", field)
        for name, _ in _fields():
            form.components[f"method.{name}"].visible = name in shown

    @property
    def components(self) -> list[Component]:
        """All that a change of the count may come from."""
        mine = [component for path, component in self._form.components.items() if path.startswith("method.")]
        return [*mine, self.pattern]

    def choose(self, kind: str) -> Updates:
        """Updates that show the fields of `kind` and hide all others."""
        fields = METHODS.get(kind).model_fields
        return {self._form.components[f"method.{name}"]: gr.update(visible=name in fields) for name, _ in _fields()}

    def offer(self, blueprint: Blueprint, targets: Any = None) -> Updates:
        """Updates that list the modules of `blueprint`, with those of `targets` ticked; all linear ones if None."""
        choices = _choices(blueprint)
        names = [name for _, name in choices]
        pattern = ""
        ticked: Sequence[str] = names
        if isinstance(targets, str) and not is_all_linear(targets):
            pattern, ticked = targets, []
        elif targets is not None and not isinstance(targets, str):
            ticked = [name for name in targets if name in names]
            pattern = "" if len(ticked) == len(targets) else ", ".join(targets)
        return {self.ticks: gr.update(choices=choices, value=list(ticked)), self.pattern: gr.update(value=pattern)}

    def read(self, values: Mapping[Component, Any], nested: dict[str, Any], blueprint: Blueprint | None) -> None:
        """Complete ``nested["method"]``: the chosen method's fields alone, and its targets as the config writes them."""
        method = nested.setdefault("method", {})
        fields = METHODS.get(method.get("kind", METHODS.kinds()[0])).model_fields
        ticked = method.pop("target_modules", [])
        pattern = str(values.get(self.pattern) or "").strip()
        kept = {name: value for name, value in method.items() if name in fields}
        if "target_modules" in fields:
            kept["target_modules"] = parse_targets(pattern) if pattern else _targets(ticked, blueprint)
        nested["method"] = kept


def _kind_menu(first: str) -> gr.Dropdown:
    choices = [(method.title, method.model_fields["kind"].default) for method in METHODS]
    return gr.Dropdown(choices, value=first, label="Method", info=METHODS.get(first).summary, visible=len(choices) > 1)


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every field of every method once, in the order of the methods."""
    seen: set[str] = set(_OWN)
    for method in METHODS:
        for name, field in method.model_fields.items():
            if name not in seen:
                seen.add(name)
                yield name, field


def _choices(blueprint: Blueprint) -> list[tuple[str, str]]:
    counts: dict[str, int] = {}
    for module in linear_modules(blueprint):
        name = last_part(module.name)
        counts[name] = counts.get(name, 0) + 1
    return [(f"{name} ×{count}", name) for name, count in counts.items()]


def _targets(ticked: Sequence[str], blueprint: Blueprint | None) -> Any:
    """The ticks as the config writes them: all of them are ``all-linear``, which holds for any model."""
    if blueprint is None:
        return tuple(ticked) or "all-linear"
    return "all-linear" if set(ticked) == {name for _, name in _choices(blueprint)} else tuple(ticked)


def summary(kind: str) -> str:
    """What the method of `kind` does, one sentence."""
    method: type[Method] = METHODS.get(kind)
    return method.summary
