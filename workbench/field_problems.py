"""Pydantic's errors in plain words: for each field that is wrong one sentence what is wrong and one what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from workbench.errors import Problem


def problems_of(error: ValidationError, prefix: Sequence[str] = ()) -> list[Problem]:
    """Pydantic's errors as `Problem`s, each with the dotted path of its field and a sentence of plain words."""
    return [_problem(dict(detail), prefix) for detail in error.errors(include_url=False)]


def _problem(detail: dict[str, Any], prefix: Sequence[str]) -> Problem:
    path = ".".join([*prefix, *(str(part) for part in detail["loc"])])
    bounds: dict[str, Any] = detail.get("ctx") or {}
    match detail["type"]:
        case "greater_than":
            return Problem("This must be more than " + _plain(bounds["gt"]) + ".", "Enter a larger number.", path)
        case "greater_than_equal":
            return Problem("This must be at least " + _plain(bounds["ge"]) + ".", "Enter a larger number.", path)
        case "less_than_equal":
            return Problem("This must be at most " + _plain(bounds["le"]) + ".", "Enter a smaller number.", path)
        case "extra_forbidden":
            return Problem("There is no such setting.", "Remove it, or correct its spelling.", path)
        case "missing":
            return Problem("This is needed.", "Fill it in.", path)
        case "int_parsing" | "int_from_float" | "int_type":
            return Problem(f"“{detail['input']}” is not a whole number.", "Enter a whole number.", path)
        case "float_parsing" | "float_type" | "finite_number":
            return Problem(f"“{detail['input']}” is not a number.", "Enter a number, such as 0.0002.", path)
        case "string_too_short":
            return Problem("This is empty.", "Fill it in.", path)
        case "literal_error":
            return Problem(f"“{detail['input']}” is not a choice here.", f"Choose {bounds['expected']}.", path)
        case "value_error":
            return _own_problem(str(bounds["error"]), path)
        case _:
            return Problem(detail["msg"].rstrip(".") + ".", "Correct the value.", path)


def _own_problem(message: str, path: str) -> Problem:
    """A validator of ours may name the field it means, and what to do: ``training.packing: both at once | Choose.``"""
    field, colon, rest = message.partition(": ")
    if colon and " " not in field:
        said, _, remedy = rest.partition(" | ")
        return Problem(said[0].upper() + said[1:] + ".", remedy or "Change one of the two.", field)
    return Problem(message[0].upper() + message[1:] + ".", "Correct the value.", path)


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, int | float) else str(number)
