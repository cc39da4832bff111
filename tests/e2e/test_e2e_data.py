"""The data page in a real browser, over the real server: from a file to a started run, and what can be seen before."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser_fixtures import Scripted
from format_rows import COLUMN_ROWS, FORMAT_ROWS
from playwright.sync_api import Page, expect

from workbench.formats import FORMATS

BAD = ['{"question": "why"}', '{"question": "why", "answer": null}']


def rows_file(path: Path, rows: list[object]) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def upload(page: Page, address: str, path: Path) -> None:
    if page.url.startswith(f"{address}/data"):
        page.get_by_role("link", name="All datasets").click()
    else:
        page.goto(f"{address}/data")
    page.get_by_label("Choose a file").set_input_files(path)
    expect(page.get_by_role("heading", name=path.name)).to_be_visible()


def use(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Use the .* rows$")).click()
    expect(page.get_by_role("link", name="Train with this")).to_be_visible()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Twelve good rows and two that cannot be used."""
    said = "the answer is yes "
    good = [{"question": f"why {n}", "answer": f"so, {n}: {said * n}", "id": tmp_path.name} for n in range(12)]
    return rows_file(tmp_path / f"{tmp_path.name}.jsonl", [*good, *BAD])


def start(page: Page, scripted: Scripted) -> str:
    """Start what the Train page shows, once it has read its address; the dataset of the run."""
    page.get_by_role("link", name="Train with this").click()
    expect(page.locator(".lw-number")).to_have_text("2,442,240")
    expect(page.get_by_role("list", name="The first rows")).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url("**/runs?run=*")
    return scripted.runs.config(page.url.partition("run=")[2]).data.dataset


def test_a_file_of_every_format_goes_from_upload_to_a_started_run(
    page: Page, some_runs: Scripted, tmp_path: Path
) -> None:
    for kind in FORMATS.kinds():
        upload(page, some_runs.address, rows_file(tmp_path / f"{kind}.jsonl", [*FORMAT_ROWS.get(kind, COLUMN_ROWS)]))
        if kind == "columns":
            page.get_by_label("What frage is").select_option("question")
            page.get_by_label("What antwort is").select_option("answer")
            expect(page.locator(".lw-example")).to_contain_text("darum")
            page.get_by_role("button", name="Read the file like this").click()
        use(page)
        expect(page.locator(".lw-tokens .lw-trained").first).to_be_visible()
        dataset = re.search("dataset=([0-9a-f]{16})", page.url)
        assert dataset is not None
        assert start(page, some_runs) == dataset[1]


def test_the_sample_goes_to_a_started_run_with_the_settings_it_was_seen_with(page: Page, some_runs: Scripted) -> None:
    page.goto(f"{some_runs.address}/data")
    page.get_by_role("link", name="Swedish construction FAQ").click()
    expect(page.get_by_text("All 503 rows are counted.")).to_be_visible()
    page.get_by_label("Max length").fill("128")
    page.get_by_label("Chat template").select_option("colon")
    expect(page.get_by_label("The row in tokens")).to_contain_text("ASSISTANT:")
    expect(page.get_by_label("Before you train")).to_contain_text("will be cut")
    assert len(start(page, some_runs)) == 16
    data = some_runs.runs.config(page.url.partition("run=")[2]).data
    assert (data.max_length, data.chat_template) == (128, "colon")


def test_a_report_leads_from_bad_rows_to_good_ones(page: Page, some_runs: Scripted, mixed: Path) -> None:
    upload(page, some_runs.address, mixed)
    expect(page.get_by_text("12 rows can be used, 2 cannot")).to_be_visible()
    expect(page.get_by_text("Recognised as question and answer")).to_be_visible()
    expect(page.get_by_text("Line 14:")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the 2 refused rows").click()
    assert download.value.path().read_text(encoding="utf-8").splitlines() == BAD
    page.get_by_label("Read the rows as").select_option("text")
    expect(page.get_by_text("no row can be used")).to_be_visible()
    page.get_by_label("Read the rows as").select_option("")
    use(page)
    expect(page.get_by_label("The row in tokens")).to_contain_text("so, 0:")


def test_a_row_is_walked_to_seen_cut_and_dropped(page: Page, some_runs: Scripted, mixed: Path) -> None:
    upload(page, some_runs.address, mixed)
    use(page)
    tokens = page.get_by_label("The row in tokens")
    page.get_by_label("Row", exact=True).fill("11")
    page.keyboard.press("Enter")
    expect(tokens).to_contain_text("why 10")
    tokens.press("ArrowRight")
    expect(tokens).to_contain_text("why 11")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("Max length").fill("40")
    expect(tokens.get_by_role("separator")).to_have_text("cut at 40 tokens")
    expect(page.get_by_label("Before you train")).to_contain_text("will be cut")
    page.reload()
    expect(tokens.get_by_role("separator")).to_have_text("cut at 40 tokens")
    expect(tokens).to_contain_text("why 11")
    page.get_by_role("button", name="Drop this row").click()
    expect(page.get_by_text("11 rows ·")).to_be_visible()
    expect(page.get_by_text("drop line 12")).to_be_visible()
    page.get_by_role("button", name="Undo the last edit").click()
    expect(page.get_by_text("12 rows ·")).to_be_visible()


def test_edits_are_made_and_a_dataset_in_use_stays(page: Page, some_runs: Scripted, mixed: Path) -> None:
    upload(page, some_runs.address, mixed)
    use(page)
    page.get_by_label("One more").select_option("keep")
    page.get_by_label("Text", exact=True).fill("why 1")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("keep rows with “why 1” anywhere")).to_be_visible()
    page.get_by_label("One more").select_option("sample")
    page.get_by_label("Rows", exact=True).fill("2")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("take 2 rows by chance (seed 0)")).to_be_visible()
    page.get_by_role("button", name="Undo the last edit").click()
    expect(page.get_by_text("take 2 rows")).to_have_count(0)
    page.get_by_role("link", name="All datasets").click()
    page.get_by_role("button", name=f"Remove {mixed.name}").last.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("alert")).to_contain_text("Delete those first")
    page.get_by_role("button", name=f"Remove {mixed.name}").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name=f"Remove {mixed.name}")).to_have_count(1)


def test_markup_in_rows_and_columns_stays_text(page: Page, some_runs: Scripted, tmp_path: Path) -> None:
    script = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    path = rows_file(tmp_path / "markup.jsonl", [{script: script, "b": script}])
    upload(page, some_runs.address, path)
    expect(page.locator(".lw-value").first).to_contain_text("<img")
    page.get_by_label("What b is").select_option("answer")
    expect(page.locator(".lw-example")).to_contain_text("<script>")
    page.get_by_role("button", name="Read the file like this").click()
    use(page)
    expect(page.get_by_label("The row in tokens")).to_contain_text("onerror")
    assert "taken" not in page.title()
