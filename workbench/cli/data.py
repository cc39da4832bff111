"""Checking a file of rows from the terminal, and looking at one row as the model will see it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from workbench.data import DatasetLibrary, Report, TokensReport, advice, encode, examine, tokens_report
from workbench.data.inspection import read_row
from workbench.data.picking import refused_rows
from workbench.data.survey import Bin
from workbench.data.templates import AUTO, templated
from workbench.errors import WorkbenchError
from workbench.formats import Layout
from workbench.home import Home
from workbench.records.datasets import Conversation, RowProblem

_BAR = 40
_WHOLE = 1_048_576


@dataclass(frozen=True)
class Settings:
    """As which base model's tokens a file is counted."""

    home: Path | None
    model: str
    max_length: int
    train_on: str
    chat_template: str = AUTO

    def tokenizer(self) -> Any:
        """The base model's, with the chosen template; fetches what is not there yet."""
        from workbench.models.fetch import local_folder

        folder = local_folder(self.model, Home.locate(self.home), lambda detail, done=None: None)
        from transformers import AutoTokenizer

        return templated(AutoTokenizer.from_pretrained(folder, trust_remote_code=False), self.chat_template)

    @property
    def mode(self) -> Literal["assistant", "last", "all"]:
        """Which tokens the loss counts."""
        return cast(Literal["assistant", "last", "all"], self.train_on)


def layout_from(format: str | None, answer: str, question: Sequence[str]) -> Layout | None:
    """The layout that the options describe; None where the rows are to be recognised."""
    if answer:
        return Layout(kind="columns", answer=answer, question=tuple(question))
    return Layout(kind=format) if format else None


def check_file(
    path: Path, layout: Layout | None, settings: Settings | None, *, refused: Path | None = None, as_json: bool = False
) -> bool:
    """Print what is in the file at `path`; whether all of it can be used."""
    console = Console()
    if not path.is_file():
        raise WorkbenchError(f"There is no file {path}.", remedy="Check the path.")
    bad: set[int] = set()

    def note(problem: RowProblem) -> None:
        if problem.severity == "error" and problem.line is not None:
            bad.add(problem.line)

    with _progress() as done:
        report = examine(path, layout.format() if layout else None, on_problem=note, progress=done)
    tokens = _count(path, layout, settings) if settings and report.rows else None
    if refused is not None and bad:
        refused.write_bytes(b"".join(refused_rows(path, path.name, bad)))
    if as_json:
        print(json.dumps({"report": report.model_dump(), "tokens": tokens.model_dump() if tokens else None}))
        return report.clean
    _print_report(console, path, report)
    if tokens is not None and settings is not None:
        _print_tokens(console, tokens, settings)
    return report.clean


def show_row(path: Path, number: int, layout: Layout | None, settings: Settings) -> None:
    """Print row `number` of the file at `path` as the model will see it."""
    console = Console(highlight=False)
    if not path.is_file():
        raise WorkbenchError(f"There is no file {path}.", remedy="Check the path.")
    reading = read_row(path, number, layout)
    for problem in reading.problems:
        _print_problem(console, problem)
    row = reading.conversation
    if row is None:
        raise WorkbenchError(f"Row {number:,} cannot be used.", remedy="Correct it as said above.")
    console.print(_as_seen(row, settings, colours=console.is_terminal))


def _as_seen(row: Conversation, settings: Settings, *, colours: bool) -> Text:
    """The row token by token; without colours the trained parts stand in brackets."""
    from workbench.engine.tokenise import pieces

    tokenizer = settings.tokenizer()
    encoded = encode(row, tokenizer, train_on=settings.mode, max_length=_WHOLE)
    shown = Text()
    before = False
    for place, piece in enumerate(pieces(encoded.input_ids, tokenizer)):
        trained, cut = encoded.trained[place], place >= settings.max_length
        if trained != before and not colours:
            shown.append("⟦" if trained else "⟧")
        shown.append(piece, "red strike" if cut else "bold green" if trained else "dim")
        before = trained
    if before and not colours:
        shown.append("⟧")
    length, learned = len(encoded.input_ids), sum(encoded.trained[: settings.max_length])
    over = length - settings.max_length
    end = f"\n{length:,} tokens, {learned:,} trained" + (f", the last {over:,} cut off" if over > 0 else "")
    return shown.append(end, "italic")


def _count(path: Path, layout: Layout | None, settings: Settings) -> TokensReport:
    """The file in tokens, through a library that is gone afterwards: the rows need not fit into memory."""
    with tempfile.TemporaryDirectory() as folder:
        library = DatasetLibrary(Home(Path(folder)))
        rows = library.conversations(library.add(path, layout=layout).id)
        return tokens_report(rows, settings.tokenizer(), settings.max_length, settings.mode)


def _print_report(console: Console, path: Path, report: Report) -> None:
    console.print(f"[bold]{escape(path.name)}[/]  {report.bytes:,} bytes, {report.kind or 'unknown kind'}")
    if report.format:
        console.print(f"format {report.format}: {escape(report.reason)}")
    console.print(f"{report.rows:,} rows can be used, {report.refused:,} cannot.")
    first: dict[str, RowProblem] = {}
    for problem in report.problems:
        first.setdefault(problem.kind, problem)
    for kind, problem in sorted(first.items(), key=lambda found: found[1].severity):
        lines = [found.line for found in report.problems if found.kind == kind and found.line is not None]
        places = ", ".join(f"{line:,}" for line in lines[:8]) + ("…" if report.counts[kind] > 8 else "")
        where = f", {report.unit} {places}" if lines else ""
        console.print(f"\n[{_severity_colour(problem)}]{problem.severity}[/] {kind} ({report.counts[kind]:,}{where})")
        _print_problem(console, problem, named=False)
    _print_statistics(console, report)


def _print_statistics(console: Console, report: Report) -> None:
    found = report.statistics
    if found is None:
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("characters", f"{found.characters:,}; the longest row {found.longest:,}")
    table.add_row("turns a row", ", ".join(f"{turns}: {rows:,}" for turns, rows in found.turns.items()))
    table.add_row("repeated", f"{found.duplicates:,} exactly, {found.near_duplicates:,} nearly")
    table.add_row("answers begin", escape(", ".join(f"{words} ({rows:,})" for words, rows in found.first_words[:8])))
    for outlier in found.outliers[:5]:
        table.add_row("unlike the others", f"{report.unit} {outlier.line:,}: {outlier.reason}")
    console.print()
    console.print(table)


def _print_tokens(console: Console, tokens: TokensReport, settings: Settings) -> None:
    console.print(f"\n[bold]In tokens of {escape(settings.model)}[/], max length {settings.max_length:,}")
    console.print(f"{tokens.tokens:,} tokens, {tokens.trained_share:.0%} trained; the longest row {tokens.longest:,}")
    console.print(f"{tokens.cut_rows:,} rows will be cut, {tokens.untrained_rows:,} teach nothing")
    console.print(f"{tokens.steps_an_epoch(8):,} steps an epoch at batch size 8; packed {tokens.packed_fill:.0%} full")
    for line in _bars(tokens.lengths, settings.max_length):
        console.print(line)
    for problem in [*advice(tokens), *tokens.problems[:10]]:
        _print_problem(console, problem)


def _bars(lengths: Sequence[Bin], max_length: int) -> Iterator[Text]:
    most = max((bar.rows for bar in lengths), default=0)
    for bar in lengths:
        mark = "red" if bar.start >= max_length else "cyan"
        line = Text(f"{bar.start:>7,} … {bar.end - 1:<7,} ")
        yield line.append("█" * round(_BAR * bar.rows / most), mark).append(f" {bar.rows:,}")


def _print_problem(console: Console, problem: RowProblem, *, named: bool = True) -> None:
    place = f"row {problem.line:,}: " if named and problem.line is not None else ""
    colour = _severity_colour(problem)
    head = f"[{colour}]{problem.severity}[/] {place}" if named else "  "
    console.print(f"{head}{escape(problem.message)} {escape(problem.remedy)}")
    if problem.excerpt:
        console.print(f"  [dim]{escape(problem.excerpt)}[/]")


def _severity_colour(problem: RowProblem) -> str:
    return "red" if problem.severity == "error" else "yellow"


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """A bar on standard error while a large file is read, where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Checking", total=1.0)
        yield lambda done: bar.update(task, completed=done)
