"""Take the pictures of the README from the real pages: ``python docs/pictures.py --home HOME``.

The home needs a finished run or two; the server is started for the pictures and ended after them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import ensure_browser  # noqa: E402

PROMPT = "How long does it take to get a building permit?"
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
ANSWER_MILLISECONDS = 120_000
SETTLE_MILLISECONDS = 1500
COMPARED = 4


def main() -> None:
    """Start the server, take every picture, end the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="a workbench home with finished runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "app.py", "--port", "0", "--home", str(arguments.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=ensure_browser(), args=["--no-sandbox"])
            take_all(browser, address_of(server), arguments.out)
        finally:
            server.terminate()


def address_of(server: subprocess.Popen[str]) -> str:
    """What the server says to open."""
    assert server.stdout is not None
    found = re.search(r"open (http://\S+)", server.stdout.readline())
    assert found is not None, "the server did not start"
    return found[1]


def take_all(browser: Browser, address: str, out: Path) -> None:
    """Train, data, a run, a comparison and the playground; light, dark, and as a phone shows them."""
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport=WIDE, color_scheme=scheme)
        run = train(page, address, out / f"train-{scheme}.png")
        data(page, address, out / f"data-{scheme}.png")
        show_run(page, address, run, out / f"run-{scheme}.png")
        compare(page, address, out / f"comparison-{scheme}.png")
        talk(page, address, run, out / f"playground-{scheme}.png")
        page.close()
    page = browser.new_page(viewport=PHONE, color_scheme="light")
    run = train(page, address, out / "train-phone.png")
    show_run(page, address, run, out / "run-phone.png")


def train(page: Page, address: str, picture: Path) -> str:
    """The Train page once it has counted; returns the newest run's id."""
    page.goto(address)
    page.wait_for_selector(".lw-number:not(.lw-none)")
    settle(page)
    page.screenshot(path=picture)
    runs = page.evaluate("() => fetch('api/runs').then(answer => answer.json())")
    return str(runs[0]["id"])


def data(page: Page, address: str, picture: Path) -> None:
    """The sample, its rows as the base model sees them, and its figures."""
    page.goto(f"{address}/data")
    page.get_by_role("link", name="Swedish construction FAQ").first.click()
    page.get_by_text("rows are counted").wait_for(timeout=ANSWER_MILLISECONDS)
    page.locator(".lw-tokens .lw-trained").first.wait_for(timeout=ANSWER_MILLISECONDS)
    settle(page)
    page.screenshot(path=picture)


def settle(page: Page) -> None:
    """Fonts are there, and what moves has come to rest."""
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.wait_for_timeout(SETTLE_MILLISECONDS)


def show_run(page: Page, address: str, run: str, picture: Path) -> None:
    """One run with its curve."""
    page.goto(f"{address}/runs?run={run}")
    page.wait_for_selector(".lw-plot.js-plotly-plot")
    settle(page)
    page.screenshot(path=picture)


def compare(page: Page, address: str, picture: Path) -> None:
    """The newest finished runs beside each other."""
    runs = page.evaluate("() => fetch('api/runs?query=status:finished').then(answer => answer.json())")
    ids = ",".join(str(run["id"]) for run in runs[:COMPARED])
    page.goto(f"{address}/runs?compare={ids}")
    page.wait_for_selector(".lw-plot.js-plotly-plot")
    settle(page)
    page.screenshot(path=picture)


def talk(page: Page, address: str, run: str, picture: Path) -> None:
    """Base model and adapter with an answer each."""
    page.goto(f"{address}/playground?adapters={run}")
    page.get_by_role("spinbutton", name="Max tokens").fill("60")
    page.get_by_role("textbox", name="Prompt", exact=True).fill(PROMPT)
    page.keyboard.press("Enter")
    send = page.get_by_role("button", name="Send to all")
    expect(send).to_be_disabled()
    expect(send).to_be_enabled(timeout=ANSWER_MILLISECONDS)
    page.screenshot(path=picture)


if __name__ == "__main__":
    main()
