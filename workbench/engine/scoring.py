"""A given answer in tokens, and what models think of it: the same tokens that training on that answer counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data import encode
from workbench.data.rendering import own_tokens
from workbench.engine.tokenise import WHOLE, pieces
from workbench.errors import WorkbenchError
from workbench.protocol.chat import Score, ScoredToken, ScoreRequest
from workbench.records.datasets import Conversation, Message


@dataclass(frozen=True)
class GivenAnswer:
    """A conversation up to the end of its answer."""

    tokens: tuple[int, ...]
    first: int
    """Place of the answer's first token."""


def given_answer(request: ScoreRequest, tokenizer: Any, context_length: int) -> GivenAnswer:
    """The tokens of prompt and answer; raises `WorkbenchError` when template or context do not take them."""
    messages = (*(turn.message() for turn in request.messages), Message(role="assistant", content=request.answer))
    row = Conversation(line=1, messages=messages)
    try:
        encoded = encode(row, tokenizer, train_on="last", max_length=WHOLE)
    except WorkbenchError as error:
        raise WorkbenchError(
            "The model's chat template refuses this conversation with this answer.",
            remedy="Let user and assistant take turns, or leave out the system prompt.",
            field="messages",
        ) from error
    counted = [place for place, trained in enumerate(encoded.trained) if trained and place > 0]
    if not counted:
        raise WorkbenchError("The answer has no tokens.", remedy="Give an answer with words in it.", field="answer")
    if counted[-1] >= context_length:
        raise WorkbenchError(
            f"Conversation and answer are {counted[-1] + 1:,} tokens; this model's context holds {context_length:,}.",
            remedy="Shorten the conversation or the answer.",
            field="messages",
        )
    return GivenAnswer(encoded.input_ids[: counted[-1] + 1], counted[0])


def score(request: ScoreRequest, given: GivenAnswer, logprobs: Sequence[Sequence[float]], tokenizer: Any) -> Score:
    """What comes of the log-probabilities of `model`, and of `other` where one was asked."""
    answer = given.tokens[given.first :]
    own = own_tokens(tokenizer)
    others: Sequence[float | None] = logprobs[1] if len(logprobs) > 1 else [None] * len(answer)
    return Score(
        model=request.model,
        other=request.other,
        tokens=tuple(
            ScoredToken(text=text, logprob=logprob, other_logprob=other, ends_turn=token in own)
            for token, text, logprob, other in zip(answer, pieces(answer, tokenizer), logprobs[0], others, strict=True)
        ),
        nll=-sum(logprobs[0]),
        other_nll=-sum(logprobs[1]) if len(logprobs) > 1 else None,
        prompt_tokens=given.first,
    )
