"""The figures of a dataset in tokens, and the warnings that they give before a run."""

from __future__ import annotations

import pytest
from template_families import CHATML, GEMMA_STRICT, QWEN3, Family, tokenizer_of

from workbench.data import TokensReport, advice, tokens_report, tokens_reports
from workbench.data.tokens import packed_fill
from workbench.records.datasets import Conversation, Message

NO_END = Family("without an end", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", ("<s>",), "<s>")


def row(answer: str, line: int = 1, question: str = "why") -> Conversation:
    return Conversation(
        line=line, messages=(Message(role="user", content=question), Message(role="assistant", content=answer))
    )


def kinds(report: TokensReport, validation_rows: int | None = None, repeated: int = 0) -> list[str]:
    found = advice(report, validation_rows=validation_rows, repeated=repeated)
    assert all(problem.message and problem.remedy for problem in found)
    return [problem.kind for problem in found]


def test_a_sound_dataset_needs_no_advice() -> None:
    report = tokens_report([row("yes and no " * n) for n in range(1, 30)], tokenizer_of(CHATML), 400)
    assert kinds(report, validation_rows=40) == []
    assert report.rows == 29
    assert 0.3 < report.trained_share < 0.99
    assert sum(bar.rows for bar in report.lengths) == 29
    assert report.steps_an_epoch(batch_size=8) == 4
    assert report.steps_an_epoch(batch_size=4, accumulation=2) == 4
    assert 0 < report.packed_fill <= 1


def test_rows_beyond_the_max_length_are_warned_of() -> None:
    report = tokens_report([row("yes " * 60, line=n) for n in range(1, 11)], tokenizer_of(CHATML), 40)
    assert kinds(report) == ["many-cut"]
    assert report.cut_rows == 10


def test_nothing_trained_is_warned_of() -> None:
    report = tokens_report([row("no", question="why " * 90)], tokenizer_of(CHATML), 20)
    assert kinds(report) == ["nothing-trained", "many-cut"]


def test_training_on_everything_is_warned_of() -> None:
    assert kinds(tokens_report([row("no")], tokenizer_of(CHATML), 99, "all")) == ["all-trained"]


def test_a_template_that_never_ends_an_answer_is_warned_of() -> None:
    report = tokens_report([row("no")], tokenizer_of(NO_END), 99)
    assert kinds(report) == ["no-end"]
    assert report.problems[0].kind == "no-end"


def test_a_template_that_leaves_something_out_is_warned_of() -> None:
    thinking = Conversation(
        line=4,
        messages=(
            *row("<think>\nis it\n</think>\n\nyes").messages,
            *row("no").messages,
        ),
    )
    report = tokens_report([thinking], tokenizer_of(QWEN3), 999)
    assert report.lossy_rows == 1
    assert [(problem.line, problem.kind) for problem in report.problems] == [(4, "lost-content")]


def test_rows_that_the_template_refuses_are_counted_and_the_others_too() -> None:
    refused = Conversation(line=2, messages=(Message(role="system", content="be brief"), *row("x").messages[1:]))
    report = tokens_report([row("no"), refused, row("yes", line=3)], tokenizer_of(GEMMA_STRICT), 99)
    assert (report.rows, report.refused_rows) == (3, 1)
    assert "template-refuses" in kinds(report)
    assert report.problems[0].line == 2


def test_figures_refine_while_they_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.tokens.FIRST_ROWS", 500)
    reports = list(tokens_reports((row("no", line=n) for n in range(2_200)), tokenizer_of(CHATML), 99))
    assert [report.rows for report in reports] == [500, 1_000, 2_000, 2_200]


def test_held_out_rows_are_judged() -> None:
    sound = tokens_report([row("no")], tokenizer_of(CHATML), 99)
    assert kinds(sound, validation_rows=3, repeated=2) == ["few-validation-rows", "overlap"]
    assert kinds(sound, validation_rows=0) == []


@pytest.mark.parametrize(
    ("lengths", "room", "fill"),
    [
        ([], 10, 0.0),
        ([10, 10], 10, 1.0),
        ([6, 6], 10, 0.6),
        ([6, 4, 6, 4], 10, 1.0),
        ([25], 10, 1.0),
        ([3, 3, 3], 10, 0.9),
    ],
)
def test_packing_fills_what_it_can(lengths: list[int], room: int, fill: float) -> None:
    assert packed_fill(lengths, room) == pytest.approx(fill)
