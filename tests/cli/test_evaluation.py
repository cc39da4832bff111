"""`workbench eval` against a running server: what it asks, prints, writes, and how it ends."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from browser_fixtures import Scripted
from fake_services import FakeRuns, example_run

from workbench.cli import evaluation, main
from workbench.cli.connection import SERVER, Local
from workbench.errors import WorkbenchError
from workbench.records.runs import RunStatus
from workbench.services import Services


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"Why {number}?", "answer": f"I am done and you said: Why {number}?"} for number in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_is_sent_measured_and_written_out(
    some_runs: Scripted,
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(SERVER, some_runs.address)
    monkeypatch.setenv("COLUMNS", "140")
    report = tmp_path / "report.md"
    arguments = (
        "--adapter",
        "done@0.5",
        "--dataset",
        str(questions),
        "--metrics",
        "token_f1,chrf",
        "--expression",
        "done",
    )
    assert run(*arguments, "--limit", "5", "--output", str(report)) == 0
    shown = capsys.readouterr().out
    assert "Token F1" in shown
    assert "faq, rank 16@0.5" in shown
    assert "p < 0.001" in shown
    written = report.read_text(encoding="utf-8")
    assert "prompts: 5 of questions.jsonl, 5 with a reference answer" in written
    assert "| Own expression | 0.00 | 100.00 | 5 |" in written
    rows = tmp_path / "rows.jsonl"
    assert run(*arguments, "--limit", "1", "--output", str(rows)) == 0
    told = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert [line["model"] for line in told] == ["base", "done@0.5"]


def test_without_a_server_it_owns_the_home(
    fakes: tuple[Services, FakeRuns], questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, runs = fakes
    runs.runs.clear()
    runs.put(example_run("done", RunStatus.FINISHED, name="faq"))
    monkeypatch.setattr(evaluation, "connect", lambda home: contextlib.nullcontext(Local(services)))
    table = tmp_path / "table.csv"
    wanted = evaluation.Wanted(adapters=("done",), dataset=str(questions), limit=2, output=table)
    assert evaluation.evaluate(None, wanted) == 0
    assert len(table.read_text(encoding="utf-8").splitlines()) == 3
    with pytest.raises(WorkbenchError, match="nothing to ask"):
        evaluation.evaluate(None, evaluation.Wanted(adapters=("done",)))


def test_failed_answers_have_their_own_exit_status(
    some_runs: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SERVER, some_runs.address)
    path = tmp_path / "prompts.txt"
    path.write_text("fine\nbroken\n", encoding="utf-8")
    assert run("--run", "done", "--dataset", str(path)) == 2
    told = capsys.readouterr()
    assert "2 of 4 answers failed" in told.err
    assert "failed" in told.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--adapter", "done"), "nothing to ask"),
        (("--adapter", "nobody", "--dataset", "sample:construction-faq"), "no run"),
        (("--adapter", "done", "--dataset", "sample:construction-faq", "--metrics", "best"), "no metric “best”"),
        (("--adapter", "done", "--dataset", "sample:construction-faq", "--expression", "("), "no regular expression"),
        (("--adapter", "done", "--dataset", "no such file"), "no dataset “no such file”"),
        (("--adapter", "done", "--dataset", "sample:construction-faq", "--output", "report.pdf"), "“.pdf”"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    some_runs: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.setenv(SERVER, some_runs.address)
    assert run(*arguments) == 1
    assert told in capsys.readouterr().err
