"""The part of the form that says how the base model is adapted: the method, its fields, and the target modules.

The fields are those of all methods in the registry, a component each; methods that share a field share its component,
so a rank that was set for one is still there for the next. A new method's file needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from workbench.errors import Problem
from workbench.method import METHODS
from workbench.records.base_models import Blueprint
from workbench.ui.components.form import Form, Updates
from workbench.ui.components.targets import TARGETS, TargetPicker

SLIDERS = {"rank": (1, 256, 1), "alpha": (0, 512, 1), "dropout": (0, 0.5, 0.01)}
"""The range a hand moves in; an opened file may go beyond, up to the field's own bounds."""


@dataclass(frozen=True)
class Shared:
    """One field and the methods that have it just so: same type, same default, same title."""

    name: str
    path: str
    """Where its component stands in the form: ``method.rank``, or ``method.rank@vera`` for another of that name."""
    info: FieldInfo
    kinds: set[str] = field(default_factory=set)


class MethodForm:
    """Places the method's components into `form` and knows which belong to which method."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._fields = _shared_fields()
        first = METHODS.kinds()[0]
        self.kind = form.adopt("method.kind", _kind_menu(first), summary(first))
        for shared in self._fields:
            if shared.name in SLIDERS:
                form.add(shared.path, shared.info, slider=SLIDERS[shared.name])
        self.targets = TargetPicker(form)
        with gr.Accordion("More method settings", open=False):
            for shared in self._fields:
                if shared.name not in SLIDERS:
                    form.add(shared.path, shared.info)
        for shared in self._fields:
            form.components[shared.path].visible = first in shared.kinds

    @property
    def components(self) -> list[Any]:
        """All that a change of the count may come from."""
        mine = [component for path, component in self._form.components.items() if path.startswith("method.")]
        return list(dict.fromkeys([*mine, *self.targets.components]))

    @property
    def touched(self) -> list[Any]:
        """The events that tell of a hand on any of them."""
        return [component.input for component in self.components]

    def choose(self, kind: str) -> Updates:
        """Updates that show the fields of `kind` and hide all others."""
        has_targets = TARGETS in METHODS.get(kind).model_fields
        updates: Updates = {
            self._form.components[shared.path]: gr.update(visible=kind in shared.kinds) for shared in self._fields
        }
        updates |= self.targets.show(has_targets)
        return updates | {self.kind: gr.update(value=kind, info=summary(kind))}

    def show(self, kind: str, values: Mapping[str, Any]) -> Updates:
        """Updates that choose `kind` and put `values` into its fields."""
        mine = {f"method.{shared.name}": shared.path for shared in self._fields if kind in shared.kinds}
        shown = self._form.show({"method": values}, paths=mine)
        chosen = self.choose(kind)
        return {component: {**chosen.get(component, {}), **shown.get(component, {})} for component in chosen | shown}

    def read(self, values: Mapping[Component, Any], blueprint: Blueprint | None) -> dict[str, Any]:
        """The method as the config writes it: the chosen one's own fields, and its targets."""
        kind = values[self.kind]
        method = {"kind": kind}
        for shared in self._fields:
            value = values.get(self._form.components[shared.path])
            if kind in shared.kinds and value is not None:
                method[shared.name] = value
        if TARGETS in METHODS.get(kind).model_fields:
            method[TARGETS] = self.targets.read(values, blueprint)
        return method

    def locate(self, kind: str, problems: Iterable[Problem], values: Mapping[Component, Any]) -> list[Problem]:
        """The problems, with the place of each one's own component where several fields have one name."""
        places = {f"method.{shared.name}": shared.path for shared in self._fields if kind in shared.kinds}
        places[f"method.{TARGETS}"] = self.targets.place(values)
        return [replace(problem, field=places.get(problem.field or "", problem.field)) for problem in problems]


def summary(kind: str) -> str:
    """What the method of `kind` does, one sentence."""
    return METHODS.get(kind).summary


def _kind_menu(first: str) -> gr.Dropdown:
    choices = [(METHODS.get(kind).title, kind) for kind in METHODS.kinds()]
    return gr.Dropdown(choices, value=first, label="Method", info=summary(first), visible=len(choices) > 1)


def _shared_fields() -> list[Shared]:
    """Every field of every method once, in the order of the methods."""
    found: dict[tuple[str, str], Shared] = {}
    names: set[str] = set()
    for kind in METHODS.kinds():
        for name, info in METHODS.get(kind).model_fields.items():
            if name in ("kind", TARGETS):
                continue
            key = (name, f"{info.annotation} {info.default!r} {info.title}")
            if key not in found:
                path = f"method.{name}" + (f"@{kind}" if name in names else "")
                found[key] = Shared(name, path, info)
            names.add(name)
            found[key].kinds.add(kind)
    return list(found.values())
