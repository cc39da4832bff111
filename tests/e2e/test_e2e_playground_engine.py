"""The playground over the real server and engine, with a tiny model: proof, no effect, seeds, a dying engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_fixtures import RealServer, serving
from engine_homes import save_random_adapter, save_run
from playwright.sync_api import Locator, Page, expect
from slowing import engine_of, slowed

from workbench.home import Home

SLOW = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Iterator[RealServer]:
    """Two runs of the tiny model: one whose adapter changes everything, one whose B matrices are still zero."""
    home = Home(tmp_path_factory.mktemp("playground") / "home")
    save_run(home, "one", tiny_model_folder)
    _untrain(save_run(home, "zero", tiny_model_folder, seed=2).adapter / "adapter_model.safetensors")
    with serving(home.path) as started:
        yield started


def _untrain(weights: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved = load_file(weights)
    save_file(
        {name: value.new_zeros(value.shape) if "lora_B" in name else value for name, value in saved.items()}, weights
    )


def open_panes(page: Page, server: RealServer, *seats: str) -> Locator:
    page.goto(f"{server.address}/playground?adapters={','.join(seats)}")
    panes = page.locator(".lw-pane")
    expect(panes).to_have_count(1 + len(seats))
    page.get_by_role("spinbutton", name="Max tokens").fill("12")
    return panes


def send(page: Page, prompt: str) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)
    page.keyboard.press("Enter")
    settle(page)


def settle(page: Page) -> None:
    expect(page.get_by_role("button", name="Stop all")).to_be_disabled(timeout=SLOW)


def answers(panes: Locator) -> list[str]:
    return panes.locator(".lw-turn[data-role=assistant]").all_inner_texts()


def test_the_adapter_is_proven_and_an_untrained_one_has_no_effect(page: Page, server: RealServer) -> None:
    panes = open_panes(page, server, "one", "zero")
    send(page, "What is brick number 3 made of?")
    base, one, zero = answers(panes)
    assert one != base == zero
    weights = server.home / "runs" / "one" / "adapter" / "adapter_model.safetensors"
    expect(panes.nth(1)).to_contain_text(f"{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]} · rank 4")
    expect(panes.nth(1)).to_contain_text(re.compile(r"KL [1-9]?\d?\.?\d+ from the base"))
    expect(panes.nth(2).get_by_role("note")).to_contain_text("B matrices are all zero")
    assert panes.nth(1).get_by_role("note").count() == 0
    page.get_by_label("Show answers as").select_option(label="Tokens against the base")
    expect(panes.nth(1).locator(".lw-scored").first).to_be_visible()
    told = "".join(panes.nth(1).locator(".lw-scored:not(.lw-scored-end)").all_text_contents())
    assert told.strip() == one.strip()


def test_the_same_seed_gives_the_same_answer_also_beside_others(page: Page, server: RealServer) -> None:
    panes = open_panes(page, server, "one")
    page.get_by_role("spinbutton", name="Temperature").fill("1")
    page.get_by_role("spinbutton", name="Seed").fill("5")
    send(page, "What is a roof made of?")
    first = answers(panes)
    page.get_by_role("button", name="Add a pane").click()
    page.get_by_role("button", name="Answer the prompt").click()
    settle(page)
    for place in (0, 1):
        panes.nth(place).get_by_role("button", name="Regenerate").click()
    settle(page)
    assert answers(panes)[:2] == first
    page.get_by_role("spinbutton", name="Seed").fill("6")
    panes.nth(1).get_by_role("button", name="Regenerate").click()
    settle(page)
    assert answers(panes)[1] != first[1]


def test_an_engine_that_dies_is_told_and_the_next_message_works(page: Page, server: RealServer) -> None:
    panes = open_panes(page, server, "one", "zero", "one@0.5", "one@0.7", "one@1.5")
    send(page, "What is a door made of?")
    page.get_by_role("spinbutton", name="Max tokens").fill("220")
    with slowed(engine_of(server.process.pid)) as engine:
        page.get_by_role("textbox", name="Prompt", exact=True).fill("And a roof?")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelectorAll('.lw-turn[data-role=assistant]')[1]?.textContent")
        engine.kill()
    settle(page)
    expect(page.get_by_role("alert").first).to_contain_text("engine")
    page.get_by_role("spinbutton", name="Max tokens").fill("5")
    send(page, "And a window?")
    for place in range(6):
        last = panes.nth(place).locator(".lw-answered").last
        expect(last).to_contain_text(re.compile(r"\d+ read"))
        expect(last.get_by_role("alert")).to_have_count(0)


def test_a_prompt_longer_than_the_context_is_told(page: Page, server: RealServer) -> None:
    panes = open_panes(page, server, "one")
    send(page, "brick " * 400)
    expect(panes.nth(0).get_by_role("alert")).to_contain_text("256")
    send(page, "brick?")
    assert answers(panes)[-1]


def test_an_adapter_from_a_folder_takes_a_seat_and_what_does_not_fit_is_told(
    page: Page, server: RealServer, tiny_model_folder: Path, tmp_path: Path
) -> None:
    panes = open_panes(page, server, "one")
    page.get_by_role("button", name="Add a model").click()
    dialog = page.get_by_role("dialog")
    for wrong, told in (("nowhere", "no folder"), (str(tmp_path), "adapter_config.json")):
        dialog.get_by_label("Folder").fill(wrong)
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog.locator(".lw-wrong-field")).to_contain_text(told)
    adapter = save_random_adapter(tiny_model_folder, tmp_path / "brought along", seed=3)
    dialog.get_by_label("Folder").fill(str(adapter))
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog).to_have_count(0, timeout=SLOW)
    expect(panes).to_have_count(3)
    send(page, "What is a wall made of?")
    base, one, added = answers(panes)
    assert len({base, one, added}) == 3
    expect(panes.nth(2)).to_contain_text("brought along · ")
