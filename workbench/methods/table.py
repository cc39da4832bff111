"""The methods as a table for the docs, made from the registry: ``python -m workbench.methods.table``."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.method import METHODS, Method

_SHARED = ("kind", "target_modules", "exclude_modules", "layers_to_transform", "modules_to_save")


def lines() -> Iterator[str]:
    """Markdown: a table of all methods, and below it each method's own fields with their defaults."""
    yield "| method | `kind` | what it does | reads first |"
    yield "|---|---|---|---|"
    for method in METHODS:
        kind = method.model_fields["kind"].default
        yield f"| {method.title} | `{kind}` | {method.summary} | {method.studies} |"
    for method in METHODS:
        yield from _fields(method)


def _fields(method: type[Method]) -> Iterator[str]:
    own = {name: field for name, field in method.model_fields.items() if name not in _SHARED}
    if not own:
        return
    yield ""
    yield f"### {method.title}"
    yield ""
    for name, field in own.items():
        default = field.get_default()
        shown = "empty" if default in (None, (), {}) else f"`{default}`"
        yield f"- `{name}` ({shown}): {field.description}"


if __name__ == "__main__":
    print("\n".join(lines()))
