"""A batch as a file: a table for a spreadsheet, JSON lines, or a report to read."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from workbench.playground.batch_figures import Scorer
from workbench.playground.batch_folder import BatchFolder
from workbench.playground.batch_records import BatchFigures, BatchPane, BatchRow, MetricFigures
from workbench.playground.batch_rows import all_rows
from workbench.playground.labels import OTHER
from workbench.playground.records import Sampling
from workbench.playground.significance import RESAMPLES, Difference

SHOWN_ROWS = 20
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins with one of these would be computed by a spreadsheet (OWASP, “CSV injection”)."""


def pane_names(folder: BatchFolder) -> list[str]:
    """What the panes are called, each differently."""
    names: list[str] = []
    for pane in folder.batch.request.panes:
        name = pane.label or pane.model
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def as_csv(folder: BatchFolder, scorer: Scorer) -> Iterator[str]:
    """A line a prompt: the conversation, the reference, and of each pane answer, problem and figures."""
    names = pane_names(folder)
    kinds = [metric.kind for metric in scorer.metrics]
    head = ["line", "prompt", "reference"]
    for name in names:
        head += [name, f"{name}: problem", *(f"{name}: {kind}" for kind in kinds)]
    yield _line(head)
    for row in all_rows(folder, scorer):
        cells: list[object] = [row.line, _conversation(row), row.reference or ""]
        for cell in row.cells:
            scores = cell.scores if cell else {}
            answer = cell.answer if cell else None
            cells += [answer.text if answer else "", answer.problem if answer else "not answered"]
            cells += [f"{scores[kind]:.6g}" if kind in scores else "" for kind in kinds]
        yield _line(cells)


def _line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def as_jsonl(folder: BatchFolder, scorer: Scorer) -> Iterator[str]:
    """A line a prompt and pane: the conversation with the answer as its last turn, and all that is known of it."""
    panes = folder.batch.request.panes
    for row in all_rows(folder, scorer):
        for pane, cell in zip(panes, row.cells, strict=True):
            known = cell.answer.model_dump(exclude={"row", "pane", "text"}) if cell else {"problem": "not answered"}
            said = [{"role": message.role, "content": message.content} for message in row.messages]
            if cell and not cell.answer.problem:
                said.append({"role": "assistant", "content": cell.answer.text})
            told = {
                "line": row.line,
                "model": pane.model,
                "label": pane.label,
                **_named(pane),
                "sampling": (pane.sampling or folder.batch.request.sampling).model_dump(mode="json"),
                "messages": said,
                "reference": row.reference,
                **known,
                "scores": cell.scores if cell else {},
            }
            yield orjson.dumps(told).decode() + "\n"


def _named(pane: BatchPane) -> dict[str, str]:
    """The base model and server that are not those of the batch."""
    return {name: value for name in ("base_model", "endpoint") if (value := getattr(pane, name))}


def as_markdown(folder: BatchFolder, scorer: Scorer, figures: BatchFigures) -> Iterator[str]:
    """What was asked, the figures with their intervals, and the first rows."""
    yield from _asked(folder)
    yield from _table(folder, figures)
    yield from _significance(folder, figures)
    for name, table in zip(pane_names(folder), figures.confusion, strict=False):
        yield f"\n## Labels: {_plain(name)}\n\n| wanted | {' | '.join(map(_plain, (*table.labels, OTHER)))} |\n"
        yield f"|---|{'---:|' * (len(table.labels) + 1)}\n"
        for label, counts in zip(table.labels, table.rows, strict=True):
            yield f"| {_plain(label)} | {' | '.join(map(str, counts))} |\n"
    yield f"\n## The first {min(SHOWN_ROWS, len(folder.prompts))} prompts\n"
    for row in _first(all_rows(folder, scorer)):
        yield f"\n**{row.line}.** {_plain(_conversation(row))}\n\n"
        if row.reference is not None:
            yield f"- reference: {_plain(row.reference)}\n"
        for name, cell in zip(pane_names(folder), row.cells, strict=True):
            said = "not answered" if cell is None else cell.answer.problem or cell.answer.text
            cut = f" (the oldest {cell.answer.cut_turns} turns were left out)" if cell and cell.answer.cut_turns else ""
            yield f"- {_plain(name)}: {_plain(said)}{cut}\n"


def _asked(folder: BatchFolder) -> Iterator[str]:
    batch = folder.batch
    yield f"# {_plain(batch.request.name or batch.source)}\n\n"
    yield f"- begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(batch.created))}, batch {batch.id}\n"
    yield f"- prompts: {batch.prompts} of {_plain(batch.source)}, {batch.references} with a reference answer\n"
    yield f"- base model: {_plain(batch.request.base_model)}\n"
    yield f"- sampling: {_settings(batch.request.sampling)}\n"
    for name, pane in zip(pane_names(folder), batch.request.panes, strict=True):
        yield f"- {_plain(name)}: {', '.join(_who(pane))}\n"


def _who(pane: BatchPane) -> Iterator[str]:
    """Who answered, and what was set for this one alone."""
    yield f"model id {_plain(pane.model)}"
    if pane.base_model:
        yield f"base model {_plain(pane.base_model)}"
    if pane.endpoint:
        yield f"at {_plain(pane.endpoint)}"
    if pane.sampling:
        yield f"own sampling: {_settings(pane.sampling)}"
    if pane.system:
        yield f"system prompt: {_plain(pane.system)}"


def _settings(sampling: Sampling) -> str:
    return ", ".join(f"{name} {value}" for name, value in sampling.model_dump().items() if value != ())


def _table(folder: BatchFolder, figures: BatchFigures) -> Iterator[str]:
    names = pane_names(folder)
    yield f"\n## Figures\n\n| | {' | '.join(map(_plain, names))} | answers |\n|---|{'---:|' * (len(names) + 1)}\n"
    for metric in figures.metrics:
        values = [figure(metric, value) for value in metric.values]
        arrow = "" if metric.higher_is_better else " (lower is better)"
        counted = metric.counted[0] if len(set(metric.counted)) == 1 else ", ".join(map(str, metric.counted))
        yield f"| {metric.title}{arrow} | {' | '.join(values)} | {counted} |\n"
    yield f"| answered | {' | '.join(map(str, figures.answered))} | |\n"
    yield f"| failed | {' | '.join(map(str, figures.errors))} | |\n"
    yield f"| mean tokens | {' | '.join(f'{tokens:.1f}' for tokens in figures.mean_tokens)} | |\n\n"
    for metric in figures.metrics:
        told = "; ".join(part for part in (metric.source, metric.signature, metric.note) if part)
        yield f"- {metric.title}: {told}\n"


def _significance(folder: BatchFolder, figures: BatchFigures) -> Iterator[str]:
    if not figures.differences:
        return
    names = pane_names(folder)
    titles = {metric.kind: metric for metric in figures.metrics}
    yield f"\n## Difference to the base\n\nPaired bootstrap over prompts, {RESAMPLES:,} resamples (Koehn 2004).\n\n"
    yield "| | metric | difference | 95 % interval | p | prompts |\n|---|---|---:|---:|---:|---:|\n"
    for found in figures.differences:
        metric = titles[found.metric]
        yield (
            f"| {_plain(names[found.pane])} | {metric.title} | {found.value:+.2f} | "
            f"{found.low:+.2f} to {found.high:+.2f} | {p_words(found)} | {found.prompts} |\n"
        )


def figure(metric: MetricFigures, value: float | None) -> str:
    """A figure as it is written."""
    return "–" if value is None else f"{value:.2f}"


def p_words(found: Difference) -> str:
    """p as it is written: never 0."""
    return "< 0.001" if found.p < 0.001 else f"{found.p:.3f}"


def _first(rows: Iterator[BatchRow]) -> Iterator[BatchRow]:
    for row, _ in zip(rows, range(SHOWN_ROWS), strict=False):
        yield row


def _conversation(row: BatchRow) -> str:
    if len(row.messages) == 1:
        return row.messages[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in row.messages)


def _plain(text: str) -> str:
    """A text inside Markdown: one line, nothing in it taken for markup."""
    flat = " ".join(text.split())
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>|#" else mark for mark in flat)


EXPORTS: dict[str, tuple[str, Callable[[BatchFolder, Scorer, BatchFigures], Iterator[str]]]] = {
    "csv": ("text/csv", lambda folder, scorer, _: as_csv(folder, scorer)),
    "jsonl": ("application/jsonl", lambda folder, scorer, _: as_jsonl(folder, scorer)),
    "md": ("text/markdown", as_markdown),
}
"""By the ending of the file: its media type, and what writes it."""
