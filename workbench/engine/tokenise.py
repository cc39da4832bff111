"""How conversations become tokens, and which of them are trained on: what the row inspector shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.data import encode
from workbench.engine.transcript import Transcript
from workbench.errors import WorkbenchError
from workbench.protocol.engine import TokeniseAnswer, TokenisedConversation, TokeniseRequest
from workbench.records import Conversation


def tokenise(request: TokeniseRequest, tokenizer: Any) -> TokeniseAnswer:
    """Each conversation of `request` in tokens; one that cannot be rendered says why, and the others still come."""
    return TokeniseAnswer(conversations=tuple(_one(found, request, tokenizer) for found in request.conversations))


def _one(conversation: Conversation, request: TokeniseRequest, tokenizer: Any) -> TokenisedConversation:
    try:
        encoded = encode(conversation, tokenizer, train_on=request.train_on, max_length=request.max_length)
    except WorkbenchError as error:
        return TokenisedConversation(line=conversation.line, problem=str(error))
    return TokenisedConversation(
        line=conversation.line,
        pieces=pieces(encoded.input_ids, tokenizer),
        trained=encoded.trained,
        cut=encoded.cut,
    )


def pieces(tokens: Sequence[int], tokenizer: Any) -> tuple[str, ...]:
    """The text of each token; a character that several tokens share stands with the last of them."""
    transcript = Transcript(tokenizer, keep_special=True)
    texts = [transcript.push(token) for token in tokens]
    if texts:
        texts[-1] += transcript.finish()
    return tuple(texts)
