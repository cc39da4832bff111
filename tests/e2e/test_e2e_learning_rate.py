"""A learning rate is found in the browser: a real worker on a tiny model, its curve, and the suggestion in the form."""

from __future__ import annotations

from pathlib import Path

from browser_fixtures import Scripted
from playwright.sync_api import Page, expect

from workbench import config_file
from workbench.config import RunConfig

PATIENCE = 120_000


def test_a_rate_is_found_drawn_and_used(
    page: Page, some_runs: Scripted, tiny_model_folder: Path, tiny_dataset_file: Path, tmp_path: Path
) -> None:
    config = RunConfig.parse(
        {
            "base_model": f"folder:{tiny_model_folder}",
            "data": {"dataset": str(tiny_dataset_file), "max_length": 64},
            "training": {"batch_size": 4, "learning_rate": 0.25, "threads": 1},
        }
    )
    written = tmp_path / "run.yaml"
    config_file.save(config, written)
    page.goto(some_runs.address)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open YAML").click()
    chooser.value.set_files(written)
    rate = page.get_by_role("spinbutton", name="Learning rate")
    expect(rate).to_have_value("0.25")

    find = page.get_by_role("button", name="Find", exact=True)
    find.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("“faq, rank 8” is training on this device")

    some_runs.runs.runs.clear()
    find.press("Enter")
    panel = page.get_by_role("region", name="Search for a learning rate")
    expect(panel.locator(".lw-range-words")).to_contain_text("learning rates were tried", timeout=PATIENCE)
    page.wait_for_function("() => document.querySelector('.lw-range-plot').layout?.xaxis?.type === 'log'")
    drawn = page.evaluate("() => document.querySelector('.lw-range-plot').data[1].x.length")
    assert drawn >= 12
    found = float(panel.locator("strong").inner_text())
    assert 1e-6 < found < 0.25
    panel.get_by_role("button", name="Use it").press("Enter")
    expect(rate).to_have_value(f"{found:g}")
    expect(panel.get_by_text("It stands in the form.")).to_be_visible()
