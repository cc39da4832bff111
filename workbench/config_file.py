"""A run config as a YAML file: written with each field's help text as its comment, read back with every problem named.

Knows the shape of `RunConfig` only through pydantic's own field list, so a new field or method needs nothing here.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.finlora import entries_in, run_config
from workbench.method import METHODS, Method
from workbench.part import Part
from workbench.task import TASKS, Task

_WIDTH = 110
_HEADING = "A run of LoRA Workbench. Start it with: workbench train FILE"


def to_yaml(config: RunConfig) -> str:
    """`config` as YAML, every key under a comment that says what it does."""
    return "\n".join([f"# {_HEADING}", *_lines(config, "")]) + "\n"


def _lines(part: Part, indent: str) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, Part):
            yield ""
        yield from _comment(_help(part, name, field, value), indent)
        if isinstance(value, Part):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _help(part: Part, name: str, field: FieldInfo, value: Any) -> str:
    text = value.summary if isinstance(value, Method) else field.description or ""
    choices = _choices(part, name, field)
    return f"{text} One of: {', '.join(choices)}.".lstrip() if choices else text


def _choices(part: Part, name: str, field: FieldInfo) -> tuple[str, ...]:
    if name == "kind":
        return METHODS.kinds() if isinstance(part, Method) else TASKS.kinds() if isinstance(part, Task) else ()
    return tuple(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else ()


def _comment(text: str, indent: str) -> Iterator[str]:
    return (f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent)))


def _scalar(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def from_yaml(text: str) -> RunConfig:
    """The config in `text`; raises `WorkbenchError` with every problem, each beside its field."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise WorkbenchError(
            f"This is not YAML: {reason}.", remedy="Correct the file; each line is “key: value”.", line=line
        ) from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise WorkbenchError(
            "A run config is a mapping of settings, and this file is none.",
            remedy="Start from a file that the page or “workbench config” wrote.",
        )
    return RunConfig.parse(values)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain YAML, read by libyaml where PyYAML brings it, with three surprises of version 1.1 taken out.

    ``2e-4`` is a number and not text, ``no`` is text and not false, and a key that stands twice is refused.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"“{key}” stands twice", key_node.start_mark)
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(true|false)$", re.IGNORECASE), list("tTfF"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def plain_value(text: str) -> Any:
    """One value as it would be read in a file: ``1e-4`` is a number, ``[q_proj, v_proj]`` a list."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise WorkbenchError(f"“{text}” cannot be read as a value.", remedy="Write it as in a config file.") from error


def load(path: Path, pick: str | None = None) -> RunConfig:
    """The config in the file at `path`: YAML, or FinLoRA's JSON, of which `pick` names an entry."""
    text = _text(path)
    if not _is_json(path):
        return from_yaml(text)
    entries = entries_in(text)
    name = _picked(tuple(entries), pick)
    return run_config(name, entries[name])


def names_in(path: Path) -> tuple[str, ...]:
    """What can be picked of the file at `path`; nothing where it is YAML, which holds one config without a name."""
    text = _text(path)
    return tuple(entries_in(text)) if _is_json(path) else ()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise WorkbenchError(f"There is no file {path}.", remedy="Check the path.") from None
    except IsADirectoryError:
        raise WorkbenchError(f"{path} is a folder.", remedy="Name the YAML file in it.") from None
    except UnicodeDecodeError:
        raise WorkbenchError(f"{path.name} is not text in UTF-8.", remedy="Save it as UTF-8 text.") from None


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _picked(names: tuple[str, ...], pick: str | None) -> str:
    if pick is None and len(names) == 1:
        return names[0]
    if pick in names:
        return pick
    what = f"There is no “{pick}” in this file" if pick else f"This file holds {len(names)} configs"
    raise WorkbenchError(
        f"{what}: {', '.join(names)}.",
        remedy="Keep one of them alone in a file, or write it out with: workbench config --open FILE --pick NAME",
    )


def save(config: RunConfig, path: Path) -> None:
    """Write `config` to `path` as YAML, replacing what is there only when all of it is written."""
    whole = path.with_name(path.name + ".part")
    whole.write_text(to_yaml(config), encoding="utf-8")
    whole.replace(path)
