"""From a chat request to a row in a model's batch: model id, base model, adapter, template, prompt, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.bases import Bases
from workbench.engine.row_events import Ended, Listener
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.chat import AnswerFacts, ChatRequest, Usage
from workbench.protocol.model_ids import ModelId

if TYPE_CHECKING:
    from workbench.engine.rows import Order, Row


@dataclass(frozen=True)
class Begun:
    """An answer on its way."""

    order: Order
    row: Row

    def cancel(self) -> None:
        """Let it end before its next token."""
        self.row.cancelled = True

    def usage(self, tokens: int) -> Usage:
        """OpenAI's counts."""
        prompt = len(self.order.prompt)
        return Usage(prompt_tokens=prompt, completion_tokens=tokens, total_tokens=prompt + tokens)

    def facts(self, ended: Ended) -> AnswerFacts:
        """What the workbench tells with the last chunk."""
        dose = self.order.dose
        return AnswerFacts(
            adapter=dose.adapter.facts(dose.strength) if dose.adapter is not None else None,
            distance=ended.distance,
            seconds=ended.seconds,
            first_token_seconds=ended.first_token_seconds,
            prompt_tokens=len(self.order.prompt),
            tokens=ended.tokens,
        )


class Answers:
    """Begins answers; `check` is quick, `begin` may load a base model."""

    def __init__(self, home: Home, bases: Bases) -> None:
        self._home = home
        self._bases = bases

    def check(self, request: ChatRequest) -> str:
        """The base model's reference; raises `WorkbenchError` when model id and base model do not name anything."""
        model_id = ModelId.parse(request.model)
        if model_id is None:
            if request.base_model is None:
                raise WorkbenchError(
                    "“base” alone does not say which base model.", remedy="Name it in base_model.", field="base_model"
                )
            return request.base_model
        model_id.folder(self._home)
        own = self._base_model_of(model_id)
        if request.base_model not in (None, own):
            raise WorkbenchError(
                f"“{model_id.run}” is an adapter of {own}, not of {request.base_model}.",
                remedy=f"Pick {own} as the base model.",
                field="model",
            )
        return own

    def begin(self, request: ChatRequest, listener: Listener) -> Begun:
        """Hand the request to its model's owner thread; the listener hears what becomes of it."""
        base = self._bases.get(self.check(request))
        from workbench.engine.prompt import encode_prompt, room_to_answer, with_template
        from workbench.engine.rows import Order, Row
        from workbench.engine.sampling import Sampler

        dose = base.dose(ModelId.parse(request.model), self._home)
        template = dose.adapter.chat_template if dose.adapter is not None else None
        tokenizer = with_template(base.tokenizer, template)
        prompt = encode_prompt([turn.message() for turn in request.messages], tokenizer)
        order = Order(
            prompt=prompt,
            dose=dose,
            sampler=Sampler.of(request),
            limit=room_to_answer(len(prompt), request.limit, base.context_length),
            stop=request.stop,
            tokenizer=base.tokenizer,
            end_tokens=base.end_tokens,
            top_logprobs=request.top_logprobs if request.logprobs else None,
        )
        row = Row(order, listener)
        base.owner.submit(row)
        return Begun(order, row)

    def _base_model_of(self, model_id: ModelId) -> str:
        from workbench.runs.folder import RunFolder

        return RunFolder(self._home.runs / model_id.run).config.base_model
