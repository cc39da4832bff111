"""The runs pages in a real browser over real runs: a real supervisor, real processes; only the training is not."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from runs_kit import IMPATIENT, OVER, end_workers, executor, fake_config, wait_for, wait_until
from told_runs import OUT_OF_MEMORY, told_run

from workbench.data import DatasetLibrary
from workbench.engine_process import EngineProcess
from workbench.home import Home
from workbench.models import Models
from workbench.playground import Playground
from workbench.records.runs import RunStatus
from workbench.runs import Runs
from workbench.services import Services

PLOT = "document.querySelector('.lw-plot')"
LOW: ViewportSize = {"width": 1360, "height": 560}
"""What lies below is drawn when it is scrolled to."""
POINTS = f"({PLOT}?.data?.[0]?.x?.length ?? 0)"


class Serving(NamedTuple):
    """A server over `runs`, some of which are over: ranks 4, 8 (which move) and 16, and one that ran out of memory."""

    address: str
    runs: Runs
    told: dict[str, str]
    """Ids by name."""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    import uvicorn

    from workbench.web import ServeOptions, build_app

    home = Home(tmp_path_factory.mktemp("runs-pages"))
    ranks = {4: 1.5, 8: 1.3, 16: 1.35}
    folders = [told_run(home, f"rank {rank}", rank=rank, floor=floor, moves=rank == 8) for rank, floor in ranks.items()]
    folders.append(told_run(home, "too large", rank=64, steps=12, end=OUT_OF_MEMORY))
    runs, engine = Runs(home, executor(), IMPATIENT), EngineProcess(home)
    runs.start()
    services = Services(home, Models(home), DatasetLibrary(home), runs, engine, Playground(engine, runs))
    server = uvicorn.Server(uvicorn.Config(build_app(services, ServeOptions(port=0)), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Serving(f"http://127.0.0.1:{port}", runs, {folder.config.name: folder.id for folder in folders})
    server.should_exit = True
    thread.join(timeout=10)
    runs.close()
    end_workers(runs)


def open_run(page: Page, serving: Serving, run_id: str) -> None:
    page.goto(f"{serving.address}/runs?run={run_id}")
    page.wait_for_function(f"() => {POINTS} > 0")


def test_a_live_run_grows_under_zoom_and_pointer_and_is_the_same_in_every_tab(page: Page, serving: Serving) -> None:
    run = serving.runs.submit(fake_config("steps=2000 pause=0.1 save=20"))
    wait_until(serving.runs, run.id, lambda found: found.step >= 5)
    open_run(page, serving, run.id)
    expect(page.locator(".lw-run [role=status]")).to_contain_text(re.compile(r"running.*updated \d+ s ago"))
    expect(page.locator(".lw-facts")).to_contain_text("Elapsed")
    page.evaluate(f"() => Plotly.relayout({PLOT}, {{'xaxis.range': [1, 31]}})")
    box = page.locator(".lw-plot .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 10, box["y"] + box["height"] / 2)  # at step 4
    expect(page.locator(".lw-plot .hoverlayer .hovertext").first).to_be_visible()
    before = page.evaluate(f"() => {POINTS}")
    page.wait_for_function(f"() => {POINTS} > {before} + 8")
    assert page.evaluate(f"() => {PLOT}.layout.xaxis.range") == [1, 31]
    expect(page.locator(".lw-plot .hoverlayer .hovertext").first).to_be_visible()
    before = page.evaluate(f"() => {POINTS}")
    page.reload()
    page.wait_for_function(f"() => {POINTS} >= {before}")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_function(f"() => {POINTS} >= {before}")
    other.close()


def test_a_live_run_is_stopped_resumed_cancelled_and_deleted(page: Page, serving: Serving) -> None:
    run = next(run for run in serving.runs.list() if run.status.active)  # that of the test before
    open_run(page, serving, run.id)
    status = page.locator(".lw-run [role=status]")
    page.get_by_role("button", name="Stop and save").click()
    expect(status).to_contain_text("stopped")
    stopped = serving.runs.get(run.id)
    assert stopped.checkpoints[-1].step == stopped.step
    page.get_by_role("button", name="Resume").click()
    expect(status).to_contain_text("running")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Cancel without saving…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(status).to_contain_text("stopped")
    wait_until(serving.runs, run.id, lambda _: not serving.runs._supervisor.working(run.id))
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"which frees [\d.]+ .?[kMG]?B"))
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert run.id not in {found.id for found in serving.runs.list("is:any")}


def test_three_runs_are_chosen_compared_and_reopened_by_a_link(page: Page, serving: Serving) -> None:
    page.set_viewport_size(LOW)
    page.goto(f"{serving.address}/runs")
    for name in ("rank 4", "rank 8", "rank 16"):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    page.get_by_role("link", name="Compare 3").click()
    expect(page.get_by_role("heading", name="Comparison of 3 runs")).to_be_visible()
    table = page.get_by_role("table")
    heads = ["Run", "Status", "Rank", "Trainable", "Best eval loss", "Last loss"]
    expect(table.get_by_role("columnheader")).to_have_text(heads)
    expect(table.locator("tbody tr").filter(has_text="best")).to_contain_text("rank 8")
    page.wait_for_function(f"() => {PLOT}.data?.length === 6")
    for label in ("Settings and results", "Best eval loss against trainable parameters"):
        figure = page.get_by_role("figure", name=label)
        figure.scroll_into_view_if_needed()
        expect(figure.locator(".main-svg").first).to_be_visible()
    swatches = "() => [...document.querySelectorAll('.lw-key')].map(key => key.style.background)"
    colours = page.evaluate(swatches)
    assert len(set(colours)) == 3
    page.get_by_label("Show").select_option("perplexity")
    page.wait_for_url("**measure=perplexity**")
    other = page.context.new_page()
    other.set_viewport_size(LOW)
    other.goto(page.url)
    expect(other.get_by_label("Show")).to_have_value("perplexity")
    expect(other.get_by_role("row")).to_have_count(4)
    assert other.evaluate(swatches) == colours
    other.close()
    page.get_by_role("button", name="Leave out rank 8").click()
    expect(page.get_by_role("heading", name="Comparison of 2 runs")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(3)
    assert page.evaluate(swatches) == [colours[0], colours[2]]


def test_a_failure_is_explained_and_retried_with_its_changes(page: Page, serving: Serving) -> None:
    serving.runs.set_queue(paused=True)
    open_run(page, serving, serving.told["too large"])
    told = page.get_by_role("alert")
    expect(told).to_contain_text("Halve the batch size")
    expect(told).to_contain_text("Batch size: 8 → 4")
    expect(told.get_by_label("The last lines of the log")).to_contain_text("line 20 of the log")
    expect(told.get_by_label("The last lines of the log")).not_to_contain_text("line 19 of the log")
    expect(told.get_by_label("Stack trace")).to_be_hidden()
    told.get_by_text("Stack trace").click()
    expect(told.get_by_label("Stack trace")).to_contain_text("DefaultCPUAllocator")
    told.get_by_role("button", name="Retry with these changes").click()
    expect(page.locator(".lw-run [role=status]")).to_contain_text("queued")
    again = serving.runs.config(page.url.partition("run=")[2]).training
    assert (again.batch_size, again.gradient_accumulation_steps) == (4, 2)


def test_a_run_is_continued_from_a_checkpoint_and_what_is_wrong_stands_beside_its_field(
    page: Page, serving: Serving
) -> None:
    serving.runs.set_queue(paused=True)
    open_run(page, serving, serving.told["rank 4"])
    page.get_by_role("button", name="Continue from checkpoint-20").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Epochs").fill("0")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.get_by_text("This must be more than 0.")).to_be_visible()
    dialog.get_by_label("Epochs").fill("2")
    dialog.get_by_label("Learning rate").fill("0.00005")
    dialog.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="rank 4, continued")).to_be_visible()
    expect(page.locator(".lw-about")).to_contain_text(f"Continues {serving.told['rank 4']} from checkpoint-20")
    made = serving.runs.get(page.url.partition("run=")[2])
    assert serving.runs.config(made.id).training.learning_rate == 5e-5


def test_the_queue_is_ordered_with_the_keyboard(page: Page, serving: Serving) -> None:
    serving.runs.set_queue(paused=True)
    for run_id in serving.runs.queue().ids:
        serving.runs.stop(run_id)
    first, second = (serving.runs.submit(fake_config(name)) for name in ("steps=1", "steps=2"))
    page.goto(f"{serving.address}/runs")
    expect(page.locator(".lw-queue li")).to_have_count(2)
    page.get_by_role("button", name="Earlier: steps=2").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".lw-queue li").first).to_contain_text("steps=2")
    assert serving.runs.queue().ids == (second.id, first.id)
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Later: steps=2"
    page.get_by_role("button", name="Go on").click()
    for run in (first, second):
        wait_for(serving.runs, run.id, *OVER)
    expect(page.locator("details.lw-queue-panel summary")).to_contain_text("nobody waits")


def test_labels_columns_order_and_search_are_kept(page: Page, serving: Serving) -> None:
    open_run(page, serving, serving.told["rank 16"])
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Name, note and tags…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Tags").fill("paper, <b>bold</b>")
    dialog.get_by_label("Pinned").check()
    dialog.get_by_role("button", name="Keep").click()
    expect(page.locator(".lw-tags")).to_contain_text("<b>bold</b>")
    page.get_by_role("link", name="All runs").click()
    names = page.locator(".lw-runs-table tbody th a")
    expect(names.first).to_have_text("rank 16")
    page.get_by_role("searchbox").fill("tag:paper")
    expect(names).to_have_count(1)
    page.get_by_role("searchbox").fill("rank status:finished trainable>0 -continued")
    page.get_by_role("button", name="Best eval").click()
    page.wait_for_url("**sort=-best_eval_loss**")
    page.get_by_role("button", name="Best eval").click()
    page.wait_for_url("**sort=best_eval_loss**")
    expect(page.get_by_role("columnheader", name="Best eval")).to_have_attribute("aria-sort", "ascending")
    expect(names).to_have_text(["rank 16", "rank 8", "rank 4"])
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="Base model").check()
    page.reload()
    expect(names).to_have_text(["rank 16", "rank 8", "rank 4"])
    expect(page.get_by_role("columnheader", name="Base model")).to_be_visible()


def test_answers_stand_beside_the_curve_and_point_at_their_step(page: Page, serving: Serving) -> None:
    open_run(page, serving, serving.told["rank 8"])
    answers = page.locator(".lw-answers li")
    expect(answers).to_have_count(4)
    expect(answers.first).to_contain_text("About 40 weeks. How long")
    page.get_by_label("Prompt").select_option(index=1)
    expect(answers.first).to_contain_text("About 40 weeks. Do I need")
    page.get_by_role("button", name="Step 20").click()
    page.wait_for_function(f"() => {PLOT}.layout.shapes[0]?.x0 === 20")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download checkpoint-20").click()
    assert download.value.suggested_filename.endswith("checkpoint-20.zip")
    page.get_by_role("link", name="Talk to checkpoint-20").click()
    panes = page.get_by_label("Who answers")
    expect(panes).to_have_count(2)
    expect(panes.last).to_have_value(f"{serving.told['rank 8']}/checkpoint-20")


def test_what_can_be_freed_is_freed(page: Page, serving: Serving) -> None:
    page.goto(f"{serving.address}/system")
    expect(page.get_by_role("progressbar", name="Memory")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Free .* kB")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("No run that is over has checkpoints to spare.")).to_be_visible()
    assert [saved.step for saved in serving.runs.get(serving.told["rank 4"]).checkpoints] == [40]
    assert serving.runs.get(serving.told["rank 4"]).status is RunStatus.FINISHED


def test_the_budget_of_moving_ranks_is_a_line_that_falls(page: Page, serving: Serving) -> None:
    open_run(page, serving, serving.told["rank 8"])
    panel = page.locator(".lw-panel", has=page.get_by_role("heading", name="Ranks by layer"))
    panel.scroll_into_view_if_needed()
    expect(panel.get_by_role("img", name="All ranks together at 4 steps")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.lw-ranks-plot').data?.length === 1")
    drawn = page.evaluate("() => document.querySelector('.lw-ranks-plot').data.map(({ x, y }) => ({ x, y }))")
    assert drawn == [{"x": [10, 20, 30, 40], "y": [14, 12, 10, 8]}]
    expect(panel.get_by_role("row", name="q_proj")).to_have_text("q_proj44")
