"""Chat completions: OpenAI's chunks and answers for a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from workbench.engine.answers import Begun
from workbench.engine.generation import Generation
from workbench.engine.row_events import Ended, TokenLikelihood
from workbench.protocol.chat import (
    AnswerChoice,
    AnswerFacts,
    AnswerMessage,
    ChatAnswer,
    ChatChunk,
    ChoiceLogprobs,
    ChunkChoice,
    ChunkDelta,
    TokenLogprob,
    TopLogprob,
)


class Chat(Generation):
    """The answer to a conversation."""

    id_prefix: ClassVar[str] = "chatcmpl"

    def opening(self, begun: Begun) -> BaseModel:
        return self._chunk(ChunkDelta(role="assistant", content=""), begun.facts())

    def wrote(self, text: str, likelihood: TokenLikelihood | None) -> BaseModel:
        logprobs = self._logprobs([likelihood]) if likelihood else None
        choice = ChunkChoice(delta=ChunkDelta(content=text), logprobs=logprobs)
        return ChatChunk(**self._head, choices=(choice,))

    def closing(self, begun: Begun, ended: Ended) -> list[BaseModel]:
        last: list[BaseModel] = [self._chunk(ChunkDelta(), begun.all_facts(ended), ended.reason)]
        if self._request.stream_options.include_usage:
            last.append(ChatChunk(**self._head, usage=begun.usage(ended.tokens)))
        return last

    def whole(self, text: str, likelihoods: Sequence[TokenLikelihood], begun: Begun, ended: Ended) -> BaseModel:
        choice = AnswerChoice(
            message=AnswerMessage(content=text),
            logprobs=self._logprobs(likelihoods) if likelihoods else None,
            finish_reason=ended.reason,
        )
        return ChatAnswer(
            **self._head, choices=(choice,), usage=begun.usage(ended.tokens), workbench=begun.all_facts(ended)
        )

    def _chunk(self, delta: ChunkDelta, facts: AnswerFacts, finish_reason: str | None = None) -> ChatChunk:
        choice = ChunkChoice(delta=delta, finish_reason=finish_reason)
        return ChatChunk(**self._head, choices=(choice,), workbench=facts)

    def _logprobs(self, likelihoods: Sequence[TokenLikelihood]) -> ChoiceLogprobs:
        return ChoiceLogprobs(
            content=tuple(
                TokenLogprob(
                    **self._named(found.token, found.logprob),
                    top_logprobs=tuple(TopLogprob(**self._named(*pair)) for pair in found.top),
                )
                for found in likelihoods
            )
        )

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.decode(token)
        return {"token": text, "logprob": logprob, "bytes": tuple(text.encode())}
