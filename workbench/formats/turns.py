"""What is checked of every row, whatever its format: roles, answers, text that is text, and an order that makes sense.

Errors refuse a row, warnings let it pass; both say where in the row they were found. Knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple, TypeGuard

from workbench.formats.wording import error, excerpt, warning
from workbench.records.datasets import Conversation, Message, RowProblem

Role = Literal["system", "user", "assistant", "tool"]
Said = tuple[Role, str, str]
"""A turn that was checked: who speaks, the words, and what else the chat template gets, as JSON."""

ROLES: Mapping[str, Role] = {
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

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MISSING = object()
_USUAL = {
    ("", "system"),
    ("", "user"),
    ("system", "user"),
    ("user", "assistant"),
    ("assistant", "user"),
    ("assistant", "tool"),
    ("tool", "tool"),
    ("tool", "assistant"),
}
"""Who may speak after whom without a remark."""


class Turn(NamedTuple):
    """One turn as it stands in the row, unchecked."""

    role: object
    content: object
    place: str
    """Where it stands: ``messages[2].content``."""
    extra: str = ""
    """What else is said of it, as JSON: with tool calls there need be no words."""


class Reading(NamedTuple):
    """One row, read: what is learned from it, or why nothing is.

    Plain tuples, because a file has a million of them; `conversation` is the record for everybody else.
    """

    line: int
    said: Sequence[Said] = ()
    text: str | None = None
    problems: Sequence[RowProblem] = ()
    tools: str = ""

    @classmethod
    def of(cls, row: Conversation) -> Reading:
        """A row that was read and checked before."""
        said = [(message.role, message.content, message.extra) for message in row.messages]
        return cls(row.line, said, row.text, (), row.tools)

    @property
    def used(self) -> bool:
        """Whether the row can be trained on."""
        return bool(self.said) or self.text is not None

    @property
    def conversation(self) -> Conversation | None:
        """What is learned; None when nothing is."""
        if not self.used:
            return None
        messages = tuple(Message(role=role, content=content, extra=extra) for role, content, extra in self.said)
        return Conversation(line=self.line, messages=messages, text=self.text, tools=self.tools)


usual_reading: Callable[[tuple[int, Sequence[Said], None, tuple[()], str]], Reading] = partial(tuple.__new__, Reading)
"""A faultless row from its parts, in half the time that the constructor takes."""


def missing() -> object:
    """Stands for a value that a row lacks, where null would be another fault."""
    return _MISSING


def refusal(line: int, kind: str, message: str, remedy: str, shown: object = "") -> Reading:
    """A row from which nothing is learned, for one reason."""
    return Reading(line, problems=[error(line, kind, message, remedy, shown)])


def read_text(text: str, line: int, *, printable: bool = False) -> Reading:
    """A row of running text; `printable` when no control character can be in it."""
    faults = [] if printable else list(_text_faults(text, "text", line))
    if not text.strip():
        faults.append(error(line, "no-text", "The text is empty.", "Remove the row."))
    if _refused(faults):
        return Reading(line, problems=faults)
    return Reading(line, text=text, problems=faults)


def read_turns(turns: Sequence[Turn], line: int) -> Reading:
    """The conversation in `turns`, with every fault in them."""
    said: list[Said] = []
    faults: list[RowProblem] = []
    for turn in turns:
        role = _role(turn, line)
        wrong = list(_content_faults(turn, line))
        if isinstance(role, RowProblem):
            wrong.insert(0, role)
        elif not _refused(wrong):
            said.append((role, turn.content if isinstance(turn.content, str) else "", turn.extra))
        faults += wrong
    if not _refused(faults):
        faults += _order_faults(said, line)
    return Reading(line, () if _refused(faults) else said, problems=faults)


def usual_turns(turns: object, role: str, content: str) -> list[Said] | None:
    """The conversation in a list of objects when it is faultless and plain, which is quick to see; else None."""
    if type(turns) is not list:
        return None
    said: list[Said] = []
    before = ""
    for turn in turns:
        if type(turn) is not dict or len(turn) != 2:
            return None
        words = turn.get(content)
        speaker = turn.get(role)
        known = ROLES.get(speaker) if type(speaker) is str else None
        if known is None or (before, known) not in _USUAL or type(words) is not str or not words or words.isspace():
            return None
        said.append((known, words, ""))
        before = known
    return said if before == "assistant" else None


def usual_pair(question: object, answer: object) -> list[Said] | None:
    """A question and its answer when both are texts with words in them; else None."""
    if not (_has_words(question) and _has_words(answer)):
        return None
    return [("user", question, ""), ("assistant", answer, "")]


def _has_words(value: object) -> TypeGuard[str]:
    return type(value) is str and bool(value) and not value.isspace()


def _refused(faults: Sequence[RowProblem]) -> bool:
    return any(fault.severity == "error" for fault in faults)


def _role(turn: Turn, line: int) -> Role | RowProblem:
    if turn.role is _MISSING or turn.role is None:
        return error(line, "missing-role", f"{turn.place} has no role.", "Say who speaks: system, user or assistant.")
    known = ROLES.get(turn.role.lower()) if isinstance(turn.role, str) else None
    if known is None:
        return error(
            line,
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
    if turn.extra and content in (None, _MISSING, ""):
        return
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


def _order_faults(said: Sequence[Said], line: int) -> Iterable[RowProblem]:
    answers = [words or extra for role, words, extra in said if role == "assistant"]
    if not answers:
        yield error(
            line,
            "no-answer",
            "The row has no answer: no message is by the assistant.",
            "Add one; only answers are learned.",
            said[-1][1] if said else "",
        )
        return
    empty = sum(not answer.strip() for answer in answers)
    if empty == len(answers):
        yield error(line, "empty-answer", "The answer is empty.", "Fill in the answer, or remove the row.")
    elif empty:
        yield warning(
            line, "empty-answer", f"{empty} of {len(answers)} answers are empty.", "Fill them in, or remove the row."
        )
    yield from _speaker_faults([role for role, _, _ in said], line)


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
