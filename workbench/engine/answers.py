"""From a chat request to a row in a model's batch: model id, base model, adapter, template, prompt, limits."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config import RunConfig
from workbench.data.templates import templated
from workbench.engine.bases import Bases
from workbench.engine.row_events import Ended, Listener
from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.protocol.added import list_added, read_added
from workbench.protocol.chat import (
    AnswerFacts,
    ChatRequest,
    CompareRequest,
    Comparison,
    CompletionRequest,
    GenerationRequest,
    Score,
    ScoreRequest,
    Usage,
)
from workbench.protocol.model_ids import ModelId

if TYPE_CHECKING:
    from workbench.engine.base import Base
    from workbench.engine.mixing import Dose
    from workbench.engine.prompt import Prompt
    from workbench.engine.rows import Order, Row


@dataclass(frozen=True)
class Begun:
    """An answer on its way."""

    order: Order
    row: Row
    prompt: Prompt

    def cancel(self) -> None:
        """Let it end before its next token."""
        self.row.cancelled = True

    def usage(self, tokens: int) -> Usage:
        """OpenAI's counts."""
        prompt = len(self.order.prompt)
        return Usage(prompt_tokens=prompt, completion_tokens=tokens, total_tokens=prompt + tokens)

    def facts(self) -> AnswerFacts:
        """What is known before the first token: who answers, and what it reads."""
        dose = self.order.dose
        return AnswerFacts(
            adapter=dose.adapter.facts(dose.strength) if dose.adapter is not None else None,
            prompt_tokens=len(self.order.prompt),
            cut_tokens=self.prompt.cut_tokens,
            cut_turns=self.prompt.cut_turns,
        )

    def all_facts(self, ended: Ended) -> AnswerFacts:
        """The same and what only the end knows."""
        return self.facts().model_copy(
            update={
                "seconds": ended.seconds,
                "first_token_seconds": ended.first_token_seconds,
                "tokens": ended.tokens,
                "distance": ended.distance,
            }
        )


class Answers:
    """Begins answers; `check` is quick, `begin` may load a base model."""

    def __init__(self, home: Home, bases: Bases) -> None:
        self._home = home
        self._bases = bases
        self._configs: dict[str, RunConfig] = {}

    def check(self, model: str, base_model: str | None) -> str:
        """The base model's reference; raises `WorkbenchError` when model id and base model do not name anything."""
        if ":" in model:  # a base model by its reference
            return model
        model_id = ModelId.parse(model)
        if model_id is None:
            return base_model or self._only_base()
        model_id.folder(self._home)
        own = self._base_of(model_id)
        if base_model not in (None, own):
            raise WorkbenchError(
                f"“{model_id.run}” is an adapter of {own}, not of {base_model}.",
                remedy=f"Pick {own} as the base model.",
                field="model",
            )
        return own

    def begin(self, request: GenerationRequest, listener: Listener) -> Begun:
        """Hand the request to its model's owner thread; the listener hears what becomes of it."""
        from workbench.engine.prompt import room_to_answer
        from workbench.engine.rows import Order, Row
        from workbench.engine.sampling import Sampler

        base, dose, tokenizer = self._take(request.model, request.base_model)
        context = base.context_length - dose.virtual_tokens
        prompt = _prompt(request, tokenizer, context)
        order = Order(
            prompt=prompt.tokens,
            dose=dose,
            sampler=Sampler.of(request),
            limit=room_to_answer(len(prompt.tokens), request.limit, context),
            stop=request.stop,
            tokenizer=base.tokenizer,
            end_tokens=base.end_tokens,
            top_logprobs=request.likeliest,
        )
        row = Row(order, listener)
        base.owner.submit(row)
        return Begun(order, row, prompt)

    def compare(self, request: CompareRequest) -> Comparison:
        """How far `model` stands from `other` on the prompt that `model`'s template makes; waits for both."""
        from workbench.engine.comparison import first_logprobs
        from workbench.engine.distance import distance
        from workbench.engine.prompt import encode_prompt, room_to_answer

        base, (dose, other), tokenizer = self._take_both(request.model, request.other, request.base_model)
        prompt = encode_prompt([turn.message() for turn in request.messages], tokenizer)
        room_to_answer(len(prompt), 1, base.context_length - max(dose.virtual_tokens, other.virtual_tokens))
        adapted, compared = first_logprobs(base, prompt, (dose, other))
        return Comparison(
            model=request.model,
            other=request.other,
            distance=distance(adapted, compared, base.tokenizer),
            prompt_tokens=len(prompt),
        )

    def score(self, request: ScoreRequest) -> Score:
        """How likely `model` and `other` find a given answer; waits for both."""
        from workbench.engine.comparison import text_logprobs
        from workbench.engine.scoring import given_answer, score

        base, doses, tokenizer = self._take_both(request.model, request.other, request.base_model)
        context = base.context_length - max(dose.virtual_tokens for dose in doses)
        given = given_answer(request, tokenizer, context)
        return score(request, given, text_logprobs(base, given.tokens, given.first, doses), tokenizer)

    def _take_both(self, model: str, other: str | None, base_model: str | None) -> tuple[Base, tuple[Dose, ...], Any]:
        """The base model of both, the dose of each, and the first one's tokenizer."""
        base, dose, tokenizer = self._take(model, base_model)
        if other is None:
            return base, (dose,), tokenizer
        other_base, other_dose, _ = self._take(other, base_model or base.reference)
        if other_base is not base:
            raise WorkbenchError(
                "Two models of different base models have no tokens in common.",
                remedy="Compare two models of one base model.",
                field="other",
            )
        return base, (dose, other_dose), tokenizer

    def _take(self, model: str, base_model: str | None) -> tuple[Base, Dose, Any]:
        """The loaded base model, the adapter's dose, and the tokenizer with the adapter's own template."""
        base = self._bases.get(self.check(model, base_model))
        from workbench.engine.prompt import with_template

        model_id = None if ":" in model else ModelId.parse(model)
        dose = base.dose(model_id, self._home)
        if dose.adapter is None or model_id is None:
            return base, dose, base.tokenizer
        if (
            dose.adapter.chat_template is None and (self._home.runs / model_id.run).is_dir()
        ):  # a checkpoint: its run says which one it learns with
            return base, dose, templated(base.tokenizer, self._config_of(model_id).data.chat_template)
        return base, dose, with_template(base.tokenizer, dose.adapter.chat_template)

    def _only_base(self) -> str:
        """What ``base`` alone means: the base model in memory, else the only one of all adapters, else the bundled one.

        Raises `WorkbenchError` where there are several.
        """
        loaded = {model.reference for model in self._bases.models()}
        known = loaded or self._adapted() or {str(RunConfig.model_fields["base_model"].default)}
        if len(known) > 1:
            raise WorkbenchError(
                "“base” alone does not say which base model.",
                remedy=f"Name one as base_model, or as the model: {', '.join(sorted(known)[:5])}.",
                field="base_model",
            )
        return known.pop()

    def _adapted(self) -> set[str]:
        """The base models that runs and added adapters were made for."""
        from workbench.runs.folder import is_id

        found = {one.base_model for one in list_added(self._home) if one.kind == "adapter"}
        for path in self._home.runs.iterdir():
            with contextlib.suppress(WorkbenchError):  # a damaged run names none
                if is_id(path.name) and path.is_dir():
                    found.add(self._config_of(ModelId(path.name)).base_model)
        return found

    def _base_of(self, model_id: ModelId) -> str:
        """The reference of the base model that the adapter was made for."""
        if (self._home.runs / model_id.run).is_dir():
            return self._config_of(model_id).base_model
        added = read_added(self._home, model_id.run)
        assert added is not None  # the folder was found a moment ago
        return added.base_model

    def _config_of(self, model_id: ModelId) -> RunConfig:
        from workbench.runs.folder import RunFolder

        if model_id.run not in self._configs:  # it never changes, and is asked for at every message
            self._configs[model_id.run] = RunFolder(self._home.runs / model_id.run).config
        return self._configs[model_id.run]


def _prompt(request: GenerationRequest, tokenizer: Any, context_length: int) -> Prompt:
    from workbench.engine.prompt import Prompt, encode_text, fitting_prompt

    if isinstance(request, ChatRequest):
        messages = [turn.message() for turn in request.messages]
        return fitting_prompt(messages, tokenizer, context_length if request.cut_prompt else None)
    assert isinstance(request, CompletionRequest)
    return Prompt(encode_text(request.prompt, tokenizer))
