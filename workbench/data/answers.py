"""A conversation as text, and where in it each answer stands: found by rendering, never by looking for marks.

An answer begins where the template, asked for the prompt alone, stops. It ends with its own last character, and its
turn with what the template writes behind that. This holds with and without ``{% generation %}``, and for templates
that move system prompts or drop thinking parts. The tokenizer is passed in: nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from workbench.data.templates import template_of
from workbench.records import Message


class Answer(NamedTuple):
    """Where one answer stands in the rendered text, in characters."""

    start: int
    """Behind the prompt."""
    end: int
    """Behind its last own character."""
    turn_end: int
    """Behind what the template adds to it; the end-of-turn token lies before."""
    tail_is_own: bool
    """Whether everything up to ``turn_end`` belongs to this turn, not to the head of the next."""


class Rendered(NamedTuple):
    """A row as text."""

    text: str
    answers: tuple[Answer, ...]


def render(messages: Sequence[Message], tokenizer: Any, *, add_generation_prompt: bool = False) -> str:
    """`messages` as the text that the base model is given, in training and in the playground alike.

    A template that refuses system prompts gets it at the head of the first user turn. Raises jinja2's `TemplateError`.
    """
    from jinja2.exceptions import TemplateError

    try:
        return _apply(messages, tokenizer, add_generation_prompt)
    except TemplateError:
        folded = _fold_system(messages)
        if folded is None:
            raise
        return _apply(folded, tokenizer, add_generation_prompt)


def _apply(messages: Sequence[Message], tokenizer: Any, add_generation_prompt: bool) -> str:
    text: str = tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in messages],
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        chat_template=template_of(tokenizer),
    )
    return text


def _fold_system(messages: Sequence[Message]) -> list[Message] | None:
    """`messages` with a leading system prompt moved into the user's first turn; None where there is none to move."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    first = Message(role="user", content=f"{messages[0].content}\n\n{messages[1].content}")
    return [first, *messages[2:]]


def render_answers(messages: Sequence[Message], tokenizer: Any) -> Rendered:
    """The text of a whole conversation and where each answer stands in it. Raises jinja2's `TemplateError`."""
    text = render(messages, tokenizer)
    answers = (
        _answer_by_prefix(messages, index, text, tokenizer) or _answer_by_difference(messages, index, text, tokenizer)
        for index, message in enumerate(messages)
        if message.role == "assistant"
    )
    return Rendered(text, tuple(answers))


def _answer_by_prefix(messages: Sequence[Message], index: int, text: str, tokenizer: Any) -> Answer | None:
    """The answer where the conversation up to it renders as the beginning of the whole: so it is nearly always."""
    prompt = _prompt(messages, index, tokenizer)
    if prompt is None or not text.startswith(prompt):
        return None
    turn = text if index == len(messages) - 1 else render(messages[: index + 1], tokenizer)
    if not (text.startswith(turn) and turn.startswith(prompt)):
        return None
    start = len(prompt)
    content = messages[index].content
    for written in (content, content.strip()):
        if written and turn.startswith(written, start):
            return Answer(start, start + len(written), len(turn), True)
    _, end = _difference(messages[: index + 1], index, turn, tokenizer)
    return Answer(start, max(start, end), len(turn), True)


def _answer_by_difference(messages: Sequence[Message], index: int, text: str, tokenizer: Any) -> Answer:
    """The answer where what comes later changes what stands before: what changes in the text when it changes."""
    start, end = _difference(messages, index, text, tokenizer)
    start -= len(_preface(messages, index, text[:start], tokenizer))
    if index == len(messages) - 1:
        return Answer(start, end, len(text), True)
    following, _ = _difference(messages, index + 1, text, tokenizer)
    return Answer(start, end, max(end, following), False)


def _preface(messages: Sequence[Message], index: int, before: str, tokenizer: Any) -> str:
    """What the template writes between prompt and answer, such as an empty thinking part, if `before` ends with it."""
    prompt = _prompt(messages, index, tokenizer)
    if prompt is None:
        return ""
    turn = render(messages[: index + 1], tokenizer)
    if not turn.startswith(prompt):
        return ""
    start, _ = _difference(messages[: index + 1], index, turn, tokenizer)
    preface = turn[len(prompt) : start]
    return preface if before.endswith(preface) else ""


def _prompt(messages: Sequence[Message], index: int, tokenizer: Any) -> str | None:
    """What the model is given to write answer `index`; None where the template renders no such beginning."""
    from jinja2.exceptions import TemplateError

    if index == 0:
        return None
    try:
        return render(messages[:index], tokenizer, add_generation_prompt=True)
    except TemplateError:
        return None


def _difference(messages: Sequence[Message], index: int, text: str, tokenizer: Any) -> tuple[int, int]:
    """Start and end of the part of `text`, the rendering of `messages`, that message `index` decides."""
    other_words = next(mark for mark in map(chr, range(0xE000, 0xF8FF)) if mark not in text)
    changed = list(messages)
    changed[index] = Message(role=messages[index].role, content=other_words)
    other = render(changed, tokenizer)
    start = _same(text, other)
    return start, len(text) - _same(text[start:][::-1], other[start:][::-1])


def _same(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
