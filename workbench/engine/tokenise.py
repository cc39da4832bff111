"""How conversations become tokens, and which of them are trained on: what the row view shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.data import encode
from workbench.data.rendering import own_tokens
from workbench.data.templates import templated
from workbench.engine.transcript import Transcript
from workbench.errors import WorkbenchError
from workbench.protocol.engine import TokeniseAnswer, TokenisedConversation, TokeniseRequest
from workbench.records.datasets import Conversation

WHOLE = 2**31
"""Longer than any row."""


def tokenise(request: TokeniseRequest, tokenizer: Any) -> TokeniseAnswer:
    """Each conversation of `request` in tokens; one that cannot be rendered says why, and the others still come."""
    chosen = templated(tokenizer, request.chat_template)
    return TokeniseAnswer(conversations=tuple(_one(found, request, chosen) for found in request.conversations))


def _one(conversation: Conversation, request: TokeniseRequest, tokenizer: Any) -> TokenisedConversation:
    kept = WHOLE if request.whole else request.max_length
    try:
        encoded = encode(conversation, tokenizer, train_on=request.train_on, max_length=kept)
    except WorkbenchError as error:
        return TokenisedConversation(line=conversation.line, problem=str(error))
    own = own_tokens(tokenizer)
    length = len(encoded.input_ids) + encoded.cut
    return TokenisedConversation(
        line=conversation.line,
        tokens=encoded.input_ids,
        pieces=pieces(encoded.input_ids, tokenizer),
        trained=tuple(trained and place < request.max_length for place, trained in enumerate(encoded.trained)),
        special=tuple(token in own for token in encoded.input_ids),
        cut=max(0, length - request.max_length),
    )


def pieces(tokens: Sequence[int], tokenizer: Any) -> tuple[str, ...]:
    """The text of each token; a character that several tokens share stands with the last of them."""
    transcript = Transcript(tokenizer, keep_special=True)
    texts = [transcript.push(token) for token in tokens]
    if texts:
        texts[-1] += transcript.finish()
    return tuple(texts)
