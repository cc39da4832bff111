"""Types of fields that several methods share, each of which can be written as one line of text as well.

``q_proj, v_proj`` is a list of names, ``0-3, 7`` a list of layers, ``q_proj=16, k_proj=4`` a number for each name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_MOST_LAYERS = 10_000


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _layers(value: Any) -> Any:
    parts = _split(value)
    return [number for part in parts for number in _range(part)] if isinstance(parts, list) else parts


def _range(part: Any) -> list[Any]:
    found = _RANGE.fullmatch(part) if isinstance(part, str) else None
    if found is None:
        return [part]
    first, last = int(found[1]), int(found[2])
    if last < first or last >= _MOST_LAYERS:
        raise ValueError(f"“{part}” is not a range of layers, such as 0-3")
    return list(range(first, last + 1))


def _pairs(value: Any) -> Any:
    parts = _split(value)
    if not isinstance(parts, list):
        return parts
    pairs = [part.rpartition("=") for part in parts]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write each as name=number, such as q_proj=16")
    return {name.strip(): number for name, _, number in pairs}


def _patterns_compile(value: dict[str, Any]) -> dict[str, Any]:
    for pattern in value:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the regular expression “{pattern}” does not compile ({error})") from error
    return value


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_split)]
"""Names of modules."""
Layers = Annotated[tuple[Annotated[int, Field(ge=0, lt=_MOST_LAYERS)], ...], BeforeValidator(_layers)]
"""Indices of transformer layers, counted from 0."""
Ranks = Annotated[
    dict[str, Annotated[int, Field(ge=1, le=4096)]], BeforeValidator(_pairs), AfterValidator(_patterns_compile)
]
"""Ranks by name or regular expression."""
Alphas = Annotated[
    dict[str, Annotated[float, Field(gt=0, le=65536)]], BeforeValidator(_pairs), AfterValidator(_patterns_compile)
]
"""Alphas by name or regular expression."""


def value_for(name: str, patterns: dict[str, Any], default: Any) -> Any:
    """The value of the first pattern that matches the end of a module's name: peft's ``get_pattern_key``."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return value
    return default
