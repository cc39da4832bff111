"""Prompts to be answered: from a file that need not hold answers, from a dataset, or the held-out rows of a run.

Whatever the data room recognises is read; the last answer of a row, if it has one, becomes the reference and what
stands before it the prompt. A text file is a prompt a line. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from workbench.data.files import FileRefused, NumberedRow, open_file
from workbench.errors import WorkbenchError
from workbench.formats import FORMATS, Format, Turn, guess
from workbench.formats.turns import ROLES
from workbench.records import Record
from workbench.records.datasets import Conversation, Message

MOST_PROMPTS = 10_000
"""More are left out: at ten answers a second they take a quarter of an hour already."""
MOST_BYTES = 256 * 2**20
TELLING_ROWS = 200
"""Rows by which the columns are recognised."""
QUESTION_NAMES = ("prompt", "question", "query", "input", "instruction", "text", "message", "user", "content")
REFERENCE_NAMES = ("reference", "answer", "expected", "target", "completion", "response", "output", "label")
_TEXT_ENDINGS = (".txt", ".text", ".md")


class Prompt(Record):
    """One prompt."""

    line: int
    """Where it stands in the file, counted from 1."""
    messages: tuple[Message, ...]
    reference: str | None = None
    """What a good answer says, where that is known."""


class PromptColumns(Record):
    """Which columns to read, where that is not to be guessed."""

    question: str = ""
    answer: str = ""


class PromptsFound(Record):
    """What a file of prompts holds."""

    prompts: tuple[Prompt, ...]
    read_as: str
    """Completes the sentence “Read as …”."""
    columns: tuple[str, ...] = ()
    """Of the first row, for the user to choose from."""
    skipped: int = 0
    """Rows without a question."""
    beyond: bool = False
    """Whether the file goes on after the last prompt that is taken."""
    unclear: bool = False
    """Whether the user has to say which column holds the prompt; there are no prompts then."""


def read_prompts(path: Path, name: str, columns: PromptColumns | None = None) -> PromptsFound:
    """The prompts in the file at `path`, which the user knows as `name`.

    Raises `WorkbenchError` beside ``file``, or beside ``source.columns.question`` or ``source.columns.answer``.
    """
    if path.stat().st_size > MOST_BYTES:
        raise WorkbenchError(
            f"The file is larger than {MOST_BYTES // 2**20} MB.",
            remedy="Take a part of it, or add it on the data page and choose it from the library.",
            field="file",
        )
    if _is_text(path, name):
        found = _collect(_text_prompts(path), "text, a prompt a line")
    else:
        found = _read_rows(path, name, columns or PromptColumns())
    if not found.prompts and not found.unclear:
        raise WorkbenchError(
            "There is no prompt in this file.",
            remedy="Write a prompt a line, or JSON lines with a column “prompt”.",
            field="file",
        )
    return found


def prompts_of(rows: Iterable[Conversation]) -> PromptsFound:
    """The prompts in rows of the library: what stands before the last answer. Running text asks nothing."""
    return _collect((_prompt_of(row) for row in rows), "rows of the library")


def _prompt_of(row: Conversation) -> Prompt | None:
    messages = row.messages
    if not any(message.role == "user" for message in messages):
        return None
    if messages[-1].role == "assistant":
        return Prompt(line=row.line, messages=messages[:-1], reference=messages[-1].content)
    return Prompt(line=row.line, messages=messages)


def _collect(found: Iterable[Prompt | None], read_as: str, columns: Sequence[str] = ()) -> PromptsFound:
    prompts: list[Prompt] = []
    skipped = 0
    for prompt in found:
        if len(prompts) == MOST_PROMPTS:
            return PromptsFound(
                prompts=tuple(prompts), read_as=read_as, columns=tuple(columns), skipped=skipped, beyond=True
            )
        if prompt is None:
            skipped += 1
        else:
            prompts.append(prompt)
    return PromptsFound(prompts=tuple(prompts), read_as=read_as, columns=tuple(columns), skipped=skipped)


def _is_text(path: Path, name: str) -> bool:
    if not name.lower().endswith(_TEXT_ENDINGS):
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"[")


def _text_prompts(path: Path) -> Iterator[Prompt]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                words = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise WorkbenchError(
                    f"Line {number} is not UTF-8.", remedy="Save the file as UTF-8.", field="file", line=number
                ) from error
            if words:
                yield Prompt(line=number, messages=(Message(role="user", content=words),))


def _read_rows(path: Path, name: str, columns: PromptColumns) -> PromptsFound:
    try:
        with open_file(path, name, lambda problem: None) as file:
            rows = _whole(file.rows)
            first = list(islice(rows, TELLING_ROWS))
            if not first:
                return PromptsFound(prompts=(), read_as=file.kind)
            names = tuple(dict.fromkeys(name for found in first for name in found.row if isinstance(name, str)))
            reader = _reader([found.row for found in first], columns, names)
            if reader is None:
                return PromptsFound(prompts=(), read_as=file.kind, columns=names, unclear=True)
            return _collect(
                (reader.prompt(found.row, found.line) for found in chain(first, rows)), reader.read_as, names
            )
    except FileRefused as refused:
        problem = refused.problem
        raise WorkbenchError(problem.message, remedy=problem.remedy, field="file", line=problem.line) from refused


class _Row(Record):
    line: int
    row: dict[str, Any]


def _whole(rows: Iterable[NumberedRow]) -> Iterator[_Row]:
    """The rows that could be read; the data page tells what is wrong with the others."""
    return (_Row(line=found.line, row=found.row) for found in rows if isinstance(found.row, dict))


class _ByColumns:
    """Takes question and reference from named columns."""

    def __init__(self, question: str, answer: str) -> None:
        self._question = question
        self._answer = answer
        self.read_as = f"the column “{question}”" + (f", with “{answer}” as the reference" if answer else "")

    def prompt(self, row: dict[str, Any], line: int) -> Prompt | None:
        question, answer = _words(row.get(self._question)), _words(row.get(self._answer))
        if not question:
            return None
        return Prompt(line=line, messages=(Message(role="user", content=question),), reference=answer or None)


class _ByFormat:
    """Reads rows as a format does, but without asking for an answer."""

    def __init__(self, layout: Format, title: str) -> None:
        self._format = layout
        self.read_as = title

    def prompt(self, row: dict[str, Any], line: int) -> Prompt | None:
        found = self._read(row, line)
        if found is None or found.reference is not None:
            return found
        reference = _words(row.get(_named(list(row), REFERENCE_NAMES)))
        return found.model_copy(update={"reference": reference or None})

    def _read(self, row: dict[str, Any], line: int) -> Prompt | None:
        turns = self._format.turns(row)
        if turns is None:
            return None
        if isinstance(turns, str):
            return Prompt(line=line, messages=(Message(role="user", content=turns),)) if turns.strip() else None
        said = [message for turn in turns if (message := _message(turn)) is not None]
        return _prompt_of(Conversation(line=line, messages=tuple(said)))


def _reader(
    rows: Sequence[dict[str, Any]], columns: PromptColumns, names: Sequence[str]
) -> _ByColumns | _ByFormat | None:
    """How to read the rows; None when that cannot be told."""
    if columns.question:
        for field, name in (("source.columns.question", columns.question), ("source.columns.answer", columns.answer)):
            if name and name not in names:
                raise WorkbenchError(
                    f"There is no column “{name}”.", remedy=f"Choose one of: {', '.join(names)}.", field=field
                )
        return _ByColumns(columns.question, columns.answer)
    found = guess(rows)
    if found is not None:
        return _ByFormat(FORMATS.get(found.kind)(), FORMATS.get(found.kind).title)
    question = _named(names, QUESTION_NAMES) or (names[0] if len(names) == 1 else "")
    if not question:
        return None
    return _ByColumns(question, _named(names, REFERENCE_NAMES))


def _named(names: Sequence[str], wanted: Sequence[str]) -> str:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), "")


def _message(turn: Turn) -> Message | None:
    role = ROLES.get(turn.role.lower()) if isinstance(turn.role, str) else None
    words = _words(turn.content)
    return Message(role=role, content=words) if role is not None and words else None


def _words(value: object) -> str:
    """A cell as text: numbers as they are written, nothing for what is no text."""
    if isinstance(value, str):
        return value if value.strip() else ""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
