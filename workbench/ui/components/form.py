"""A form made from pydantic fields: type, bounds, default, title and help come from the field, and nowhere else.

Knows how a field becomes a component, how the components become values again, and how a problem is put beside its
field. Knows no page and no service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from workbench.errors import Problem
from workbench.part import Part

WRONG = "lw-wrong"
"""The class of a field with a problem."""
LIVE = "lw-live"
"""The class of a slider, and with a dash and the field's name after it of that one: the page's script listens there."""

Updates = dict[Component, Any]
C = TypeVar("C", bound=Component)


class Form:
    """Components by the dotted path of the field that each shows."""

    def __init__(self) -> None:
        self.components: dict[str, Component] = {}
        self._help: dict[str, str] = {}
        self._classes: dict[str, list[str]] = {}
        self._optional: set[str] = set()

    def add(
        self, path: str, field: FieldInfo, *, slider: tuple[float, float, float] | None = None, lines: int = 1
    ) -> Component:
        """The component of one field.

        `slider` gives the range a hand moves in, the field's own bounds still hold. A text of several `lines` holds one
        value a line.
        """
        if _plain_type(field.annotation)[1]:
            self._optional.add(path)
        return self.adopt(path, _component(field, slider, lines, path.rpartition(".")[2]), field.description or "")

    def adopt(self, path: str, component: C, help_text: str = "") -> C:
        """Let a component made elsewhere stand for the field at `path`."""
        self.components[path] = component
        self._help[path] = help_text
        self._classes[path] = list(component.elem_classes or ())
        return component

    def add_part(self, prefix: str, part: type[Part], names: Iterable[str]) -> list[Component]:
        """The components of several fields of one part of the config."""
        return [self.add(f"{prefix}.{name}", part.model_fields[name]) for name in names]

    def read(self, values: Mapping[Component, Any]) -> dict[str, Any]:
        """What the components hold, nested as the config is; an emptied field is left out and takes its default."""
        nested: dict[str, Any] = {}
        for path, component in self.components.items():
            value = values.get(component)
            if value is None or (value == "" and path in self._optional):
                continue
            *parents, name = path.split(".")
            place = nested
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = value
        return nested

    def show(self, values: Mapping[str, Any], paths: Mapping[str, str] | None = None) -> Updates:
        """Updates that put nested `values` into the components; what they lack is left as it is.

        `paths` says where the component of a field stands when not under the field's own path, and is all there is.
        """
        places = paths if paths is not None else {path: path for path in self.components}
        updates: Updates = {}
        for path, place in places.items():
            value: Any = values
            for part in path.split("."):
                value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
            if value is not _ABSENT:
                updates[self.components[place]] = _shown(self.components[place], value)
        return updates

    def mark(self, problems: Iterable[Problem], marked: Iterable[str] = ()) -> tuple[Updates, list[str]]:
        """Updates that put each problem beside its field and clear those of `marked` that are right again.

        Returns them with the paths that bear a problem now.
        """
        wrong: dict[str, list[Problem]] = {}
        for problem in problems:
            path = self._owner(problem.field)
            if path is not None:
                wrong.setdefault(path, []).append(problem)
        updates: Updates = {
            self.components[path]: gr.update(info=self._help[path], elem_classes=self._classes[path])
            for path in marked
            if path in self.components and path not in wrong
        }
        for path, found in wrong.items():
            text = " ".join(f"{problem.message} {problem.remedy}".strip() for problem in found)
            updates[self.components[path]] = gr.update(info=text, elem_classes=[*self._classes[path], WRONG])
        return updates, list(wrong)

    def _owner(self, field: str | None) -> str | None:
        """The component's path for a problem's field: itself, or the nearest one around it."""
        while field:
            if field in self.components:
                return field
            field = field.rpartition(".")[0]
        return None


def as_text(value: Any) -> str:
    """Several values on one line, as the fields for them read it: ``q_proj, v_proj`` or ``q_proj=16``."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class _Absent:
    pass


_ABSENT = _Absent()


def _component(field: FieldInfo, slider: tuple[float, float, float] | None, lines: int, name: str) -> Component:
    kind, optional = _plain_type(field.annotation)
    label, info = field.title or "", field.description or ""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        names = [(str(choice), choice) for choice in get_args(get_args(kind)[0])]
        return gr.CheckboxGroup(names, value=list(default or ()), label=label, info=info)
    if get_origin(kind) is Literal:
        return gr.Dropdown([(str(choice), choice) for choice in get_args(kind)], value=default, label=label, info=info)
    if kind is bool:
        return gr.Checkbox(value=bool(default), label=label, info=info)
    if kind in (int, float) and slider is not None:
        low, high, step = slider
        classes = [LIVE, f"{LIVE}-{name}"]
        return gr.Slider(low, high, value=default, step=step, label=label, info=info, elem_classes=classes)
    if kind in (int, float):
        step = 1 if kind is int else 0.0001
        hint = "automatic" if optional else None
        return gr.Number(value=default, label=label, info=info, step=step, placeholder=hint)
    hint = "none" if optional else None
    most = 10 if lines > 1 else 1
    return gr.Textbox(value=as_text(default), label=label, info=info, lines=lines, max_lines=most, placeholder=hint)


def _plain_type(annotation: Any) -> tuple[Any, bool]:
    """The type without its ``| None``, and whether it had one."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return (kinds[0] if len(kinds) == 1 else str), len(kinds) < len(get_args(annotation))
    return annotation, False


def _shown(component: Component, value: Any) -> Any:
    if isinstance(component, gr.Slider) and isinstance(value, int | float):
        return gr.update(value=value, maximum=max(component.maximum, value), minimum=min(component.minimum, value))
    if isinstance(component, gr.Textbox):
        several = component.lines > 1 and isinstance(value, list | tuple)
        return gr.update(value="\n".join(value) if several else as_text(value))
    return gr.update(value=value)
