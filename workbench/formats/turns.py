"""What is checked of every row, whatever its format: roles, answers, text that is text, and an order that makes sense.

Errors refuse a row, warnings let it pass; both say where in the row they were found. Knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from workbench.records import Conversation, Message, RowProblem

ROLES: Mapping[str, Literal["system", "user", "assistant", "tool"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}
"""Every role name that is understood, in lower case."""

EXCERPT = 120
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MISSING = object()


class Turn(NamedTuple):
    """One turn as it stands in the row, unchecked."""

    role: object
    content: object
    place: str
    """Where it stands: ``messages[2].content``."""


class Reading(NamedTuple):
    """One row, read: what is learned from it, or why nothing is."""

    conversation: Conversation | None
    problems: tuple[RowProblem, ...] = ()


def missing() -> object:
    """Stands for a value that a row lacks, where null would be another fault."""
    return _MISSING


def excerpt(value: object) -> str:
    """`value` shortened to one readable line, with what cannot be printed escaped."""
    text = value if isinstance(value, str) else repr(value)
    head = text[: EXCERPT + 1]
    shown = "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in head)
    return shown[:EXCERPT] + "…" if len(shown) > EXCERPT else shown


def columns_of(row: Mapping[str, Any]) -> str:
    """The columns of `row` for a sentence: ``the columns “a” and “b”``."""
    names = [f"“{excerpt(name)}”" for name in list(row)[:12]]
    if not names:
        return "no columns"
    if len(row) > len(names):
        names.append(f"{len(row) - len(names)} more")
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    return f"the column {listed}" if len(row) == 1 else f"the columns {listed}"


def error(line: int | None, kind: str, message: str, remedy: str, shown: object = "") -> RowProblem:
    """A fault for which the row is not used."""
    return RowProblem(
        line=line, severity="error", kind=kind, message=message, remedy=remedy, excerpt=excerpt(shown) if shown else ""
    )


def warning(line: int | None, kind: str, message: str, remedy: str, shown: object = "") -> RowProblem:
    """A fault in spite of which the row is used."""
    return RowProblem(
        line=line,
        severity="warning",
        kind=kind,
        message=message,
        remedy=remedy,
        excerpt=excerpt(shown) if shown else "",
    )


def refusal(line: int, kind: str, message: str, remedy: str, shown: object = "") -> Reading:
    """A row from which nothing is learned, for one reason."""
    return Reading(None, (error(line, kind, message, remedy, shown),))


def read_text(text: str, line: int) -> Reading:
    """A row of running text."""
    faults = list(_text_faults(text, "text", line))
    if not text.strip():
        faults.append(error(line, "no-text", "The text is empty.", "Remove the row."))
    if any(fault.severity == "error" for fault in faults):
        return Reading(None, tuple(faults))
    return Reading(Conversation(line=line, text=text), tuple(faults))


def read_turns(turns: Sequence[Turn], line: int) -> Reading:
    """The conversation in `turns`, with every fault in them."""
    messages: list[Message] = []
    faults: list[RowProblem] = []
    for turn in turns:
        role = _role(turn)
        if isinstance(role, RowProblem):
            faults.append(role.model_copy(update={"line": line}))
        wrong = list(_content_faults(turn, line))
        faults += wrong
        if not isinstance(role, RowProblem) and not any(fault.severity == "error" for fault in wrong):
            messages.append(Message(role=role, content=turn.content))
    if not any(fault.severity == "error" for fault in faults):
        faults += _order_faults(messages, line)
    if any(fault.severity == "error" for fault in faults):
        return Reading(None, tuple(faults))
    return Reading(Conversation(line=line, messages=tuple(messages)), tuple(faults))


def _role(turn: Turn) -> Literal["system", "user", "assistant", "tool"] | RowProblem:
    if turn.role is _MISSING or turn.role is None:
        return error(None, "missing-role", f"{turn.place} has no role.", "Say who speaks: system, user or assistant.")
    known = ROLES.get(turn.role.lower()) if isinstance(turn.role, str) else None
    if known is None:
        return error(
            None,
            "unknown-role",
            f"{turn.place} is by “{excerpt(turn.role)}”, a role that is not known.",
            "Use system, user, assistant or tool.",
            turn.role,
        )
    return known


def _content_faults(turn: Turn, line: int) -> Iterable[RowProblem]:
    content = turn.content
    answers = isinstance(turn.role, str) and ROLES.get(turn.role.lower()) == "assistant"
    what = "answer" if answers else "text"
    if content is _MISSING:
        yield error(line, f"no-{what}", f"{turn.place} is missing.", f"Add the {what}, or remove the row.")
    elif content is None:
        yield error(line, f"null-{what}", f"{turn.place} is null.", f"Fill in the {what}, or remove the row.")
    elif isinstance(content, str):
        yield from _text_faults(content, turn.place, line)
    else:
        yield error(
            line,
            "wrong-type",
            f"{turn.place} is {_type_name(content)} where text belongs.",
            "Put it in quotation marks, or correct the column.",
            content,
        )


def _text_faults(text: str, place: str, line: int) -> Iterable[RowProblem]:
    if text.isprintable():
        return
    lone = _SURROGATE.search(text)
    if lone:
        yield error(
            line,
            "lone-surrogate",
            f"{place} holds half of a character (a lone surrogate), which no tokenizer can read.",
            "Save the file again from its source; the text was cut in the middle of a character.",
            text[max(0, lone.start() - 20) : lone.end() + 20],
        )
    control = _CONTROL.search(text)
    if control:
        yield warning(
            line,
            "control-character",
            f"{place} holds the control character U+{ord(control.group()):04X}.",
            "Remove it unless the model should learn it.",
            text[max(0, control.start() - 20) : control.end() + 20],
        )


def _order_faults(messages: Sequence[Message], line: int) -> Iterable[RowProblem]:
    answers = [message for message in messages if message.role == "assistant"]
    if not answers:
        yield error(
            line,
            "no-answer",
            "The row has no answer: no message is by the assistant.",
            "Add one; only answers are learned.",
            messages[-1].content if messages else "",
        )
        return
    empty = sum(not answer.content.strip() for answer in answers)
    if empty == len(answers):
        yield error(line, "empty-answer", "The answer is empty.", "Fill in the answer, or remove the row.")
    elif empty:
        yield warning(
            line, "empty-answer", f"{empty} of {len(answers)} answers are empty.", "Fill them in, or remove the row."
        )
    yield from _speaker_faults([message.role for message in messages], line)


def _speaker_faults(roles: Sequence[str], line: int) -> Iterable[RowProblem]:
    for before, after in pairwise(roles):
        if before == after and after in ("user", "assistant"):
            yield warning(
                line,
                f"two-{after}-turns",
                f"Two {after} turns follow one another.",
                "Join them; some chat templates refuse such a row.",
            )
            break
    if "system" in roles[1:]:
        yield warning(
            line, "late-system", "A system prompt stands after the first turn.", "Put one system prompt first."
        )
    if roles[-1] in ("user", "system"):
        yield warning(
            line,
            "open-end",
            f"The row ends with a {roles[-1]} turn, after which nothing is learned.",
            "Remove the turn.",
        )
    first = next((role for role in roles if role != "system"), "user")
    if first == "assistant":
        yield warning(
            line,
            "answer-first",
            "The row begins with an answer to no question.",
            "Add the question; some chat templates refuse such a row.",
        )


def _type_name(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
