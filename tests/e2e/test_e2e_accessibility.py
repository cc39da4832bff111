"""Every page passes axe-core, light and dark, wide and on a phone; the phone needs no sideways scrolling."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from workbench.data import content_hash, samples

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
SAMPLE = f"/data?dataset={content_hash(samples()[0].path)}&max_length=96"
PATHS = ("/", "/data", SAMPLE, "/runs", "/runs?run=live", "/runs?run=failed", "/playground")
READY = {
    "/": ".lw-number:not(.lw-none)",
    "/data": ".lw-library",
    SAMPLE: ".lw-histogram",
    "/runs": ".lw-runs-table",
    "/playground": ".lw-pane",
}


def open_page(page: Page, address: str, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(address + path)
    page.wait_for_selector(READY.get(path, ".lw-plot.js-plotly-plot"))
    page.wait_for_timeout(400)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(page: Page, some_runs: tuple[str, object], path: str, scheme: str) -> None:
    open_page(page, some_runs[0], path, scheme)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    told = [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}" for rule in found["violations"]]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("path", PATHS)
def test_a_phone_shows_every_page_without_sideways_scrolling(
    page: Page, some_runs: tuple[str, object], path: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, some_runs[0], path, "light")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("path", "ready"), [("/runs?compare=done,live", ".lw-comparison tbody tr"), ("/system", "lw-system h3")]
)
def test_wide_tables_fit_a_phone_in_the_dark(page: Page, some_runs: tuple[str, object], path: str, ready: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(some_runs[0] + path)
    page.wait_for_selector(ready)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found["violations"]] == []


def test_the_keyboard_reaches_everything_on_the_train_page(page: Page, some_runs: tuple[str, object]) -> None:
    open_page(page, some_runs[0], "/", "light")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText")
        )
    assert {"Base model", "Dataset", "number input for Rank", "Learning rate", "Start run"} <= reached
