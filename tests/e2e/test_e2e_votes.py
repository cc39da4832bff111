"""A blind vote in a real browser: nothing that comes to it tells who is who before the vote, and then everything."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest
from browser_fixtures import Scripted
from playwright.sync_api import Page, expect

from workbench.records.runs import RunStatus

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RECORD = """
  window.received = [];
  const asked = window.fetch;
  window.fetch = async (...given) => {
    const answer = await asked(...given);
    if (String(given[0]).includes("blind")) {
      answer.clone().text().then((text) => window.received.push(text + JSON.stringify([...answer.headers])));
    }
    return answer;
  };
"""
"""Keeps all that comes to the page, streams too."""
LABEL, HASH = "faq, rank 16", "3f9ac01be2d4"


@pytest.fixture
def blind(page: Page, some_runs: Scripted) -> Page:
    page.add_init_script(RECORD)
    page.goto(f"{some_runs.address}/playground?mode=blind&panes=base,done")
    expect(page.get_by_role("button", name="Ask two of them")).to_be_enabled()
    return page


def faults(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}" for rule in found["violations"]]


def ask(page: Page, prompt: str) -> None:
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label("Prompt", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text=prompt)).to_be_visible()


def test_a_vote_from_the_prompt_to_the_dataset(blind: Page) -> None:
    votes = blind.get_by_role("group", name="Your vote").get_by_role("button")
    expect(votes.first).to_be_disabled()
    ask(blind, "Which wall is it?")
    sides = blind.locator(".lw-side")
    expect(sides.nth(1)).to_contain_text("you said: Which wall is it?")
    shown = " ".join(sides.evaluate_all("sides => sides.map((side) => side.outerHTML)"))
    blind.wait_for_function("() => window.received.length === 2")
    told = blind.evaluate("() => window.received.join()")
    assert "you said" in told
    for telling in (LABEL, HASH, "tokens", "seconds", "adapter", "base_model", "finish"):
        assert telling not in told + shown
    assert [title.text_content() for title in sides.get_by_role("heading").all()] == ["A", "B"]
    blind.keyboard.press("b")
    expect(sides.nth(1)).to_have_class("lw-panel lw-side lw-preferred")
    revealed = [title.text_content() or "" for title in sides.get_by_role("heading").all()]
    assert sorted(title.split(" was ")[1] for title in revealed) == ["Base model", LABEL]
    expect(sides.filter(has_text=LABEL)).to_contain_text(HASH[:8])
    assert ("I am done" in (sides.nth(0).text_content() or "")) == (LABEL in revealed[0]), "the right one is named"
    expect(blind.get_by_role("table", name="Bradley-Terry")).to_contain_text(LABEL)
    expect(blind.get_by_role("table", name="Win rates")).to_contain_text("100 %")
    expect(votes.first).to_be_disabled()
    blind.get_by_role("button", name="Same prompt, drawn anew").click()
    expect(votes.first).to_be_enabled()
    blind.keyboard.press("t")
    expect(blind.get_by_text("2 votes make 1 row of preferences; 1 tie left out.")).to_be_visible()
    blind.get_by_role("button", name="Put them into the library").click()
    blind.get_by_role("link", name="open the dataset").click()
    expect(blind.get_by_role("heading", name="preferences.jsonl")).to_be_visible()


def test_what_goes_wrong_is_told_and_a_key_in_the_prompt_is_no_vote(blind: Page, some_runs: Scripted) -> None:
    ask_field = blind.get_by_label("Prompt", exact=True)
    ask_field.fill("broken")
    ask_field.press("Enter")
    expect(blind.get_by_role("alert")).to_contain_text("The engine ended in the middle.")
    ask(blind, "Does it stand?")
    ask_field.click()
    blind.keyboard.type("abtx")
    expect(ask_field).to_have_value("abtx")
    expect(blind.locator(".lw-preferred")).to_have_count(0)
    some_runs.runs.change("done", status=RunStatus.FAILED)
    blind.goto(f"{some_runs.address}/playground?mode=blind&panes=base,base")
    expect(blind.get_by_text("Choose two who differ")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_modes_pass_axe_and_fit_a_phone(page: Page, some_runs: Scripted, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for mode, ready in (("blind", "Ask two of them"), ("batch", "Begin")):
        page.set_viewport_size({"width": 1360, "height": 900})
        page.goto(f"{some_runs.address}/playground?mode={mode}")
        expect(page.get_by_role("button", name=ready)).to_be_visible()
        expect(page.get_by_text("Looking for batches")).to_have_count(0)
        assert faults(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
