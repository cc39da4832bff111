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

    def opening(self) -> list[BaseModel]:
        return [self._chunk(ChunkDelta(role="assistant", content=""))]

    def wrote(self, text: str, likelihood: TokenLikelihood | None) -> BaseModel:
        logprobs = self._logprobs([likelihood]) if likelihood else None
        choice = ChunkChoice(delta=ChunkDelta(content=text), logprobs=logprobs)
        return ChatChunk(**self._head, choices=(choice,))

    def closing(self, begun: Begun, ended: Ended) -> list[BaseModel]:
        last: list[BaseModel] = [
            self._chunk(ChunkDelta(), finish_reason=ended.reason).model_copy(update={"workbench": begun.facts(ended)})
        ]
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
            **self._head, choices=(choice,), usage=begun.usage(ended.tokens), workbench=begun.facts(ended)
        )

    def _chunk(self, delta: ChunkDelta, finish_reason: str | None = None) -> ChatChunk:
        return ChatChunk(**self._head, choices=(ChunkChoice(delta=delta, finish_reason=finish_reason),))

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
