"""A batch in a real browser, over the real engine: begun, left, stopped, gone on with, written out."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from engine_homes import save_run
from playwright.sync_api import Page, expect

from workbench.home import Home
from workbench.services import Services, open_services

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
ENGINE_MS = 180_000
"""The engine imports torch first."""
Served = tuple[str, Services]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Iterator[Served]:
    """The server over a home with one adapter of the tiny model."""
    import uvicorn

    from workbench.web import ServeOptions, build_app

    home = Home(tmp_path_factory.mktemp("batch") / "home")
    save_run(home, "one", tiny_model_folder)
    with open_services(home) as services:
        server = uvicorn.Server(uvicorn.Config(build_app(services, ServeOptions(port=0)), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", services
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def prompt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "ask me.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frage", "antwort"])
        writer.writerows([f"What is brick number {number} made of?", "clay and sand"] for number in range(20))
    return path


def faults(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}" for rule in found["violations"]]


def test_twenty_prompts_from_the_file_to_the_report(
    page: Page, served: Served, prompt_file: Path, tmp_path: Path
) -> None:
    address, services = served
    page.goto(f"{address}/playground?mode=batch&panes=base,one")
    page.get_by_label("Choose a prompt file").set_input_files(prompt_file)
    expect(page.get_by_text("Which column holds the prompt?")).to_be_visible()
    begin = page.get_by_role("button", name="Begin")
    expect(begin).to_be_disabled()
    columns = (
        page.locator("label.lw-field").filter(has_text="As recognised"),
        page.locator("label.lw-field").filter(has_text="None"),
    )
    columns[0].get_by_role("combobox").select_option("frage")
    expect(page.get_by_text("20 prompts in ask me.csv, without reference answers")).to_be_visible()
    expect(page.get_by_label("ROUGE-L")).to_be_disabled()
    columns[1].get_by_role("combobox").select_option("antwort")
    expect(page.get_by_text("20 prompts to 2 models, the base among them: 40 answers.")).to_be_visible()
    page.get_by_label("Max tokens").fill("24")
    page.get_by_label("Perplexity of the reference").check()
    page.get_by_label("Own expression").fill("([a-z]")
    begin.click()
    expect(page.get_by_text("This is no regular expression")).to_be_visible()
    page.get_by_label("Own expression").fill("[a-z]")
    begin.click()
    expect(page.get_by_role("heading", name="ask me.csv")).to_be_visible()
    page.reload()
    expect(page.get_by_text("40 of 40 answers")).to_be_visible(timeout=ENGINE_MS)
    expect(page.locator(".lw-batch-view .lw-status")).to_have_text("finished")
    figures = page.locator(".lw-metrics-table")
    for title in ("Exact match", "Token F1", "ROUGE-L", "BLEU", "chrF", "Own expression", "Perplexity"):
        expect(figures.get_by_role("row").filter(has_text=title)).not_to_contain_text("–", timeout=1_000)
    perplexity = figures.get_by_role("row", name="Perplexity").get_by_role("cell").nth(1)
    expect(perplexity).to_contain_text("p < 0.001")
    assert faults(page) == []
    page.get_by_role("searchbox").fill("number 13 ")
    expect(page.locator(".lw-batch-answers tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    download.value.save_as(tmp_path / "batch.jsonl")
    report = services.datasets.check(tmp_path / "batch.jsonl")
    assert (report.format, report.rows) == ("messages", 40)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert faults(page) == []


def test_a_batch_is_stopped_changed_gone_on_with_and_removed(page: Page, served: Served, tmp_path: Path) -> None:
    address, services = served
    path = tmp_path / "long.txt"
    path.write_text("".join(f"Tell me of roof {number}\n" for number in range(60)), encoding="utf-8")
    page.goto(f"{address}/playground?mode=batch&panes=one")
    page.get_by_label("Choose a prompt file").set_input_files(path)
    page.get_by_label("Max tokens").fill("150")
    page.get_by_label("Max tokens").blur()
    expect(page.get_by_text("60 prompts to 2 models, the base among them")).to_be_visible()
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".lw-batch-view .lw-status")).to_have_text("stopped")
    expect(page.get_by_text("No figure was chosen.")).to_be_visible()
    page.get_by_role("button", name="Change the figures").click()
    page.locator(".lw-batch-view").get_by_label("Own expression").fill(".")
    page.get_by_role("button", name="Compute these").click()
    expect(page.locator(".lw-metrics-table")).to_contain_text("Own expression")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    services.engine._process.kill()  # type: ignore[union-attr]
    expect(page.locator(".lw-batch-answers td .lw-said").first).to_be_visible(timeout=ENGINE_MS)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".lw-batch-view .lw-status")).to_have_text("stopped")
    page.get_by_role("button", name="All batches").click()
    page.get_by_role("button", name="Remove long.txt").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("link", name="long.txt")).to_have_count(0)
    assert all(state.errors == 0 for state in services.batches.list())
