"""Text completions: OpenAI's older answers, for a plain text to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from workbench.engine.answers import Begun
from workbench.engine.generation import Generation
from workbench.engine.row_events import Ended, TokenLikelihood
from workbench.protocol.chat import TextAnswer, TextChoice, TextLogprobs


class Text(Generation):
    """How a text goes on."""

    id_prefix: ClassVar[str] = "cmpl"

    def opening(self, begun: Begun) -> BaseModel:
        return TextAnswer(**self._head, choices=(TextChoice(text=""),), workbench=begun.facts())

    def wrote(self, text: str, likelihood: TokenLikelihood | None) -> BaseModel:
        logprobs = self._logprobs([likelihood]) if likelihood else None
        return TextAnswer(**self._head, choices=(TextChoice(text=text, logprobs=logprobs),))

    def closing(self, begun: Begun, ended: Ended) -> list[BaseModel]:
        last = TextChoice(text="", finish_reason=ended.reason)
        chunks: list[BaseModel] = [TextAnswer(**self._head, choices=(last,), workbench=begun.all_facts(ended))]
        if self._request.stream_options.include_usage:
            chunks.append(TextAnswer(**self._head, usage=begun.usage(ended.tokens)))
        return chunks

    def whole(self, text: str, likelihoods: Sequence[TokenLikelihood], begun: Begun, ended: Ended) -> BaseModel:
        logprobs = self._logprobs(likelihoods) if likelihoods else None
        choice = TextChoice(text=text, logprobs=logprobs, finish_reason=ended.reason)
        return TextAnswer(
            **self._head, choices=(choice,), usage=begun.usage(ended.tokens), workbench=begun.all_facts(ended)
        )

    def _logprobs(self, likelihoods: Sequence[TokenLikelihood]) -> TextLogprobs:
        return TextLogprobs(
            tokens=tuple(self.decode(found.token) for found in likelihoods),
            token_logprobs=tuple(found.logprob for found in likelihoods),
            top_logprobs=tuple({self.decode(token): logprob for token, logprob in found.top} for found in likelihoods),
        )
