"""From a conversation to the tokens that the model continues; rendered as in training, by the data room's `render`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from workbench.data import render
from workbench.errors import WorkbenchError
from workbench.records.datasets import Message

ROOM = 256
"""Tokens that are kept free for the answer where old turns may be left out, a quarter of the context at most."""


@dataclass(frozen=True)
class Prompt:
    """What the model reads before it answers."""

    tokens: tuple[int, ...]
    cut_tokens: int = 0
    cut_turns: int = 0


def with_template(tokenizer: Any, template: str | None) -> Any:
    """`tokenizer` with the chat template that was saved beside an adapter; itself when there is none."""
    if template is None or template == tokenizer.chat_template:
        return tokenizer
    own = copy.copy(tokenizer)
    own.chat_template = template
    return own


def encode_prompt(messages: Sequence[Message], tokenizer: Any) -> tuple[int, ...]:
    """The prompt's tokens, ready for the assistant's turn; raises `WorkbenchError` when the template refuses it."""
    try:
        text = render(messages, tokenizer, add_generation_prompt=True)
    except (TemplateError, ValueError, TypeError) as error:
        raise WorkbenchError(
            f"The model's chat template refuses this conversation: {str(error).rstrip('.')}.",
            remedy="Let user and assistant take turns, or leave out the system prompt.",
            field="messages",
        ) from error
    return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def fitting_prompt(messages: Sequence[Message], tokenizer: Any, context_length: int | None) -> Prompt:
    """The prompt, without its oldest turns where they would leave less than `ROOM` of the context for the answer.

    What opens the conversation, such as a system prompt, stays, and so does the newest turn; with no
    `context_length` nothing is left out.
    """
    whole = encode_prompt(messages, tokenizer)
    kept, tokens = list(messages), whole
    opening = next((place for place, message in enumerate(kept) if message.role == "user"), 0)
    while context_length is not None and len(tokens) > context_length - min(ROOM, context_length // 4):
        later = (place for place in range(opening + 1, len(kept)) if kept[place].role == "user")
        second = next(later, None)
        if second is None:
            break
        del kept[opening:second]
        tokens = encode_prompt(kept, tokenizer)
    return Prompt(tokens, len(whole) - len(tokens), len(messages) - len(kept))


def encode_text(text: str, tokenizer: Any) -> tuple[int, ...]:
    """A plain text with the special tokens that its tokenizer begins a text with."""
    return tuple(tokenizer(text, verbose=False)["input_ids"])


def room_to_answer(prompt: int, limit: int | None, context_length: int) -> int:
    """How many tokens may be written behind `prompt` tokens; raises `WorkbenchError` when the context is full."""
    room = context_length - prompt
    if prompt == 0:
        raise WorkbenchError("The prompt is empty.", remedy="Write something to answer to.", field="messages")
    if room < 1:
        raise WorkbenchError(
            f"The prompt is {prompt:,} tokens long; this model's context holds {context_length:,}.",
            remedy="Shorten the conversation, or pick a model with a longer context.",
            field="messages",
        )
    return room if limit is None else min(limit, room)
