"""A conversation as text, and where in it each answer stands: found by rendering, never by looking for marks.

An answer begins where the template, asked for the prompt alone, stops. It ends with its own last character, and its
turn with what the template writes behind that. This holds with and without ``{% generation %}``, and for templates
that move system prompts or drop thinking parts. The tokenizer is passed in: nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from workbench.data.templates import template_of
from workbench.records.datasets import Conversation, Message


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


def render(messages: Sequence[Message], tokenizer: Any, *, add_generation_prompt: bool = False, tools: str = "") -> str:
    """`messages` as the text that the base model is given, in training and in the playground alike.

    A template that refuses system prompts gets it at the head of the first user turn. Raises jinja2's `TemplateError`.
    """
    return _Chat(tokenizer, tools).text(messages, prompt=add_generation_prompt)


def render_answers(conversation: Conversation, tokenizer: Any) -> Rendered:
    """The text of a whole conversation and where each answer stands in it. Raises jinja2's `TemplateError`."""
    return _Chat(tokenizer, conversation.tools).answers(conversation.messages)


class _Chat:
    """One tokenizer's template, with the tools of one conversation."""

    def __init__(self, tokenizer: Any, tools: str) -> None:
        self._tokenizer = tokenizer
        self._tools = orjson.loads(tools) if tools else None
        self._template = template_of(tokenizer)

    def text(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """`messages` rendered; with `prompt`, up to where the model begins to write."""
        from jinja2.exceptions import TemplateError

        try:
            return self._apply(messages, prompt)
        except TemplateError:
            folded = _fold_system(messages)
            if folded is None:
                raise
            return self._apply(folded, prompt)

    def _apply(self, messages: Sequence[Message], prompt: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            [_for_template(message) for message in messages],
            tools=self._tools,
            tokenize=False,
            add_generation_prompt=prompt,
            chat_template=self._template,
        )
        return text

    def answers(self, messages: Sequence[Message]) -> Rendered:
        """`messages` rendered, with the place of each answer."""
        text = self.text(messages)
        found = (
            self._by_prefix(messages, index, text) or self._by_difference(messages, index, text)
            for index, message in enumerate(messages)
            if message.role == "assistant"
        )
        return Rendered(text, tuple(found))

    def _by_prefix(self, messages: Sequence[Message], index: int, text: str) -> Answer | None:
        """The answer where the conversation up to it renders as the beginning of the whole: so it is nearly always."""
        prompt = self._prompt(messages, index)
        if prompt is None or not text.startswith(prompt):
            return None
        turn = text if index == len(messages) - 1 else self.text(messages[: index + 1])
        if not (text.startswith(turn) and turn.startswith(prompt)):
            return None
        start = len(prompt)
        message = messages[index]
        for written in (message.content, message.content.strip()):
            if written and not message.extra and turn.startswith(written, start):
                return Answer(start, start + len(written), len(turn), True)
        _, end = self._difference(messages[: index + 1], index, turn)
        return Answer(start, max(start, end), len(turn), True)

    def _by_difference(self, messages: Sequence[Message], index: int, text: str) -> Answer:
        """The answer where what comes later changes what stands before: what changes in the text when it changes."""
        start, end = self._difference(messages, index, text)
        start -= len(self._preface(messages, index, text[:start]))
        if index == len(messages) - 1:
            return Answer(start, end, len(text), True)
        following, _ = self._difference(messages, index + 1, text)
        return Answer(start, end, max(end, following), False)

    def _preface(self, messages: Sequence[Message], index: int, before: str) -> str:
        """What the template writes between prompt and answer, as an empty thinking part, if `before` ends with it."""
        prompt = self._prompt(messages, index)
        if prompt is None:
            return ""
        turn = self.text(messages[: index + 1])
        if not turn.startswith(prompt):
            return ""
        start, _ = self._difference(messages[: index + 1], index, turn)
        preface = turn[len(prompt) : start]
        return preface if before.endswith(preface) else ""

    def _prompt(self, messages: Sequence[Message], index: int) -> str | None:
        """What the model is given to write answer `index`; None where the template renders no such beginning."""
        from jinja2.exceptions import TemplateError

        if index == 0:
            return None
        try:
            return self.text(messages[:index], prompt=True)
        except TemplateError:
            return None

    def _difference(self, messages: Sequence[Message], index: int, text: str) -> tuple[int, int]:
        """Start and end of the part of `text`, the rendering of `messages`, that message `index` decides."""
        other_words = next(mark for mark in map(chr, range(0xE000, 0xF8FF)) if mark not in text)
        changed = list(messages)
        changed[index] = Message(role=messages[index].role, content=other_words)
        other = self.text(changed)
        start = _same(text, other)
        return start, len(text) - _same(text[start:][::-1], other[start:][::-1])


def _for_template(message: Message) -> dict[str, Any]:
    plain = {"role": message.role, "content": message.content}
    return {**plain, **orjson.loads(message.extra)} if message.extra else plain


def _fold_system(messages: Sequence[Message]) -> list[Message] | None:
    """`messages` with a leading system prompt moved into the user's first turn; None where there is none to move."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    first = Message(role="user", content=f"{messages[0].content}\n\n{messages[1].content}")
    return [first, *messages[2:]]


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
