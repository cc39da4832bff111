"""The calculator in a real browser: numbers that peft gives, the memory's buttons, and models found in other places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_fixtures import Scripted
from fake_hub import FakeHub, Repository, serve_hub
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from playwright.sync_api import Page, expect

from workbench.engine.blueprint import build_on_meta, load_config
from workbench.models.presets import preset_models

MODELS = ("SmolLM2 135M Instruct", "Qwen3 1.7B", "Llama 3.1 70B Instruct")


def counted_by_peft(name: str, rank: int, targets: list[str] | str) -> int:
    """What peft trains in that preset's model, built on the meta device."""
    preset = next(each for each in preset_models() if each.name == name)
    model = build_on_meta(load_config(preset.config))
    adapted = get_peft_model(model, LoraConfig(r=rank, target_modules=targets, task_type="CAUSAL_LM"))
    return sum(each.numel() for each in adapted.parameters() if each.requires_grad)


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Base model").click()
    page.get_by_role("option", name=name).click()
    expect(page.get_by_role("combobox", name="Base model")).to_have_value(re.compile(f"^{re.escape(name)} ·"))


@pytest.mark.parametrize("name", MODELS)
def test_the_sliders_give_the_numbers_of_peft(page: Page, some_runs: Scripted, name: str) -> None:
    page.goto(some_runs[0])
    number = page.locator(".lw-number")
    expect(number).to_have_text("2,442,240")
    choose_model(page, name)
    expect(number).to_have_text(f"{counted_by_peft(name, 8, 'all-linear'):,}")
    slider = page.get_by_role("slider", name="range slider for Rank")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    expect(number).to_have_text(f"{counted_by_peft(name, 11, 'all-linear'):,}")
    page.get_by_role("button", name="Attention only").click()
    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    expect(number).to_have_text(f"{counted_by_peft(name, 11, attention):,}")
    expect(page.locator(".lw-sum")).to_contain_text(f"= {counted_by_peft(name, 11, attention):,}")


def test_a_press_makes_a_step_fit(page: Page, some_runs: Scripted) -> None:
    page.goto(some_runs[0])
    expect(page.locator(".lw-verdict-fits")).to_be_visible()
    page.get_by_role("spinbutton", name="Batch size").fill("768")
    page.get_by_role("spinbutton", name="Batch size").press("Tab")
    expect(page.locator(".lw-verdict-does-not-fit")).to_be_visible()
    change = page.locator("[data-change]").first
    fields = json.loads(change.get_attribute("data-change") or "")
    change.click()
    expect(page.locator(".lw-verdict-fits")).to_be_visible()
    if "training.batch_size" in fields:
        value = str(fields["training.batch_size"])
        expect(page.get_by_role("spinbutton", name="Batch size")).to_have_value(value)


@pytest.fixture
def hub(tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    repositories = {
        "tiny/llama-chat": Repository(tiny_model_folder, parameters=154_000),
        "tiny/llama-gated": Repository(tiny_model_folder, gated=True),
    }
    with serve_hub(FakeHub(repositories)) as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


def find_elsewhere(page: Page, tab: str) -> None:
    page.get_by_role("button", name="Find another base model").click()
    page.get_by_role("tab", name=tab, exact=True).click()


def test_the_hub_is_searched_and_a_model_chosen_and_fetched(page: Page, some_runs: Scripted, hub: FakeHub) -> None:
    page.goto(some_runs[0])
    expect(page.locator(".lw-number")).to_have_text("2,442,240")
    find_elsewhere(page, "Hub")
    page.get_by_role("searchbox", name="Search the hub").fill("llama")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="tiny/llama-gated")).to_contain_text("gated")
    expect(page.get_by_role("row", name="tiny/llama-chat")).to_contain_text("154,000")
    page.get_by_role("button", name="Choose tiny/llama-chat").click()
    fetch = page.get_by_role("button", name="Fetch it now")
    expect(fetch).to_be_visible()
    fetch.click()
    expect(page.get_by_text("Fetched: it is on this machine now.")).to_be_visible()


def test_a_config_alone_is_counted(page: Page, some_runs: Scripted) -> None:
    page.goto(some_runs[0])
    expect(page.locator(".lw-number")).to_have_text("2,442,240")
    find_elsewhere(page, "Config")
    page.get_by_label("Name How the menu").fill("my own")
    page.get_by_role("button", name="Count it").click()
    expect(page.locator(".lw-warnings")).to_contain_text("it can be counted, not trained")
    expect(page.locator(".lw-number")).to_have_text("8,454,144")


def test_a_path_that_leads_nowhere_says_so(page: Page, some_runs: Scripted, tmp_path: Path) -> None:
    page.goto(some_runs[0])
    expect(page.locator(".lw-number")).to_have_text("2,442,240")
    find_elsewhere(page, "Path")
    page.get_by_role("textbox", name="Path").fill(str(tmp_path / "absent"))
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("alert")).to_contain_text("There is nothing at")
