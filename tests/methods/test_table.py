"""The docs' table of methods is the registry's."""

from __future__ import annotations

from pathlib import Path

from workbench.methods.table import lines

DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


def test_the_docs_list_every_method_and_field_as_the_registry_does() -> None:
    assert DOCS.read_text(encoding="utf-8").endswith("\n".join(lines()) + "\n"), (
        "docs/methods.md is out of date: put the output of `python -m workbench.methods.table` at its end"
    )
