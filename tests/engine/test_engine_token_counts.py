"""Tokens of a dataset are counted in the background: figures refine, chat goes first, and nobody counts for nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from template_families import CHATML, tokenizer_of

from workbench.data import DatasetLibrary
from workbench.data.tokens import TokenFigures
from workbench.engine.bases import Bases
from workbench.engine.token_counts import TokenCounts
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.engine import TokensRequest

ROWS = 1_200


class ScriptedBases:
    """One tokenizer for every base model; busy when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answering = False
        self.problem: WorkbenchError | None = None
        self.looks = 0

    def tokenizer(self, reference: str) -> Any:
        self.asked.append(reference)
        if self.problem is not None:
            raise self.problem
        return tokenizer_of(CHATML)

    def busy(self) -> bool:
        self.looks += 1
        return self.answering


@pytest.fixture
def bases() -> ScriptedBases:
    return ScriptedBases()


@pytest.fixture
def counts(home: Home, bases: ScriptedBases) -> TokenCounts:
    return TokenCounts(home, cast(Bases, bases))


@pytest.fixture
def request_(home: Home) -> TokensRequest:
    path = home.uploads / "rows.jsonl"
    rows = (json.dumps({"q": f"why {n}", "a": "yes " * (n % 9 + 1)}) + "\n" for n in range(ROWS))
    path.write_text("".join(rows), encoding="utf-8")
    return TokensRequest(model="any", dataset=DatasetLibrary(home).add(path).id, max_length=24)


def until(ask: Callable[[], TokenFigures], enough: Callable[[TokenFigures], bool]) -> TokenFigures:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        figures = ask()
        if enough(figures):
            return figures
        time.sleep(0.005)
    raise AssertionError("the count came to no end")


def complete(counts: TokenCounts, request: TokensRequest) -> TokenFigures:
    return until(lambda: counts.ask(request), lambda figures: figures.complete)


def test_every_row_is_counted_once_and_remembered(
    counts: TokenCounts, bases: ScriptedBases, request_: TokensRequest
) -> None:
    figures = complete(counts, request_)
    assert figures.report is not None
    assert (figures.rows, figures.seen, figures.report.rows) == (ROWS, ROWS, ROWS)
    assert 0 < figures.report.cut_rows < ROWS
    lines = [problem.line or 0 for problem in figures.report.problems]
    assert lines == sorted(lines)
    assert counts.ask(request_) == figures
    assert bases.asked == ["any"]


def test_figures_of_a_large_dataset_stand_for_all_before_all_are_counted(
    counts: TokenCounts, request_: TokensRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engine.token_counts.FIRST_ROWS", 1_000)
    monkeypatch.setattr("workbench.data.tokens.FIRST_ROWS", 1_000)
    seen = threading.Event()
    monkeypatch.setattr(
        "workbench.engine.token_counts._Count._breathe", lambda count: count._seen < 1_100 or seen.wait(9)
    )
    early = until(lambda: counts.ask(request_), lambda figures: figures.report is not None)
    assert not early.complete
    assert early.report is not None
    assert early.report.rows == 1_000
    seen.set()
    whole = complete(counts, request_).report
    assert whole is not None
    assert early.report.trained_share == pytest.approx(whole.trained_share, abs=0.02)


def test_counting_waits_while_an_answer_is_written(
    counts: TokenCounts, bases: ScriptedBases, request_: TokensRequest
) -> None:
    bases.answering = True
    waiting = until(lambda: counts.ask(request_), lambda _: bases.looks > 3)
    assert (waiting.seen, waiting.report) == (0, None)
    bases.answering = False
    assert complete(counts, request_).seen == ROWS


def test_what_nobody_asks_for_is_given_up_and_begun_anew(
    counts: TokenCounts, bases: ScriptedBases, request_: TokensRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases.answering = True
    monkeypatch.setattr("workbench.engine.token_counts.PATIENCE_SECONDS", 0.05)
    counts.ask(request_)
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("count ")]
    thread.join(10)
    assert not thread.is_alive()
    monkeypatch.setattr("workbench.engine.token_counts.PATIENCE_SECONDS", 20)
    bases.answering = False
    assert complete(counts, request_).seen == ROWS


def test_a_base_model_that_cannot_be_had_is_told_and_asked_for_again(
    counts: TokenCounts, bases: ScriptedBases, request_: TokensRequest
) -> None:
    bases.problem = WorkbenchError("There is no such model.", remedy="Choose another.")
    with pytest.raises(WorkbenchError, match="no such model"):
        complete(counts, request_)
    bases.problem = None
    assert complete(counts, request_).seen == ROWS


def test_a_dataset_that_is_gone_is_told_at_once(counts: TokenCounts) -> None:
    with pytest.raises(WorkbenchError, match="no dataset"):
        counts.ask(TokensRequest(model="any", dataset="0" * 16))
