"""The line at the top of every page: name and navigation, as plain links."""

from __future__ import annotations

from workbench.ui.components.markup import markup

PAGES = (
    ("Train", "./"),
    ("Data", "./data"),
    ("Runs", "./runs"),
    ("Playground", "./playground"),
    ("System", "./system"),
)


def header(current: str) -> None:
    """Place the header; `current` is the page's own name."""
    links = "".join(
        f'<a href="{target}"{" aria-current=page" if name == current else ""}>{name}</a>' for name, target in PAGES
    )
    markup(
        f'<header class="lw-header"><a class="lw-name" href="./">LoRA Workbench</a>'
        f'<nav aria-label="Pages">{links}</nav></header>'
    )
