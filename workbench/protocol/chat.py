"""The chat protocol: OpenAI's requests and answers, and what the workbench adds to them.

Requests are read leniently: fields of OpenAI's that mean nothing here are ignored. What is added stands under
``base_model`` in a request and ``workbench`` in an answer. Both ends of a stream import this file, and a server such
as vLLM may stand in for the engine, so it imports nothing heavy.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.records import Record
from workbench.records.datasets import Message


class Lenient(BaseModel):
    """A part of OpenAI's protocol: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class RequestPart(Lenient):
    """A part of a request, where null means the default."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, values: Any) -> Any:
        return (
            {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


class StreamOptions(RequestPart):
    include_usage: bool = False


class ChatTurn(RequestPart):
    """One message; content given in parts is joined, and only text parts are understood."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str = ""

    @field_validator("content", mode="before")
    @classmethod
    def _join_parts(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in value):
            raise ValueError("only text can be read here, no images or audio")
        return "".join(str(part.get("text", "")) for part in value)

    def message(self) -> Message:
        """As the workbench's own record; OpenAI's developer is a system message."""
        return Message(role="system" if self.role == "developer" else self.role, content=self.content)


class SamplingFields(RequestPart):
    """How tokens are chosen; OpenAI's names and defaults, and three that open servers share."""

    temperature: float = Field(1.0, ge=0, le=2)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    """0 keeps all."""
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, le=10)
    max_tokens: int | None = Field(None, ge=1)
    """None writes until the model ends its turn, or the context is full."""
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: tuple[str, ...] = Field((), max_length=16)

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        words = (value,) if isinstance(value, str) else value or ()
        return tuple(word for word in words if word)


class GenerationRequest(SamplingFields):
    """What every request for an answer has."""

    model: str = "base"
    """``base``, ``RUN``, ``RUN@0.5``, ``RUN/checkpoint-200``, or a base model's reference."""
    base_model: str | None = None
    """The base model's reference: which one ``base`` is; otherwise checked against the run's."""
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Literal[1] = 1
    cut_prompt: bool = False
    """Whether the oldest turns may be left out where the conversation is longer than the context; else it is refused.
    """

    @property
    def limit(self) -> int | None:
        """Most tokens to write; None for as many as fit."""
        return self.max_tokens

    @property
    def likeliest(self) -> int | None:
        """How many alternatives to tell of each written token; None tells no likelihoods at all."""
        return None


class ChatRequest(GenerationRequest):
    """The body of ``/v1/chat/completions``."""

    messages: tuple[ChatTurn, ...] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def likeliest(self) -> int | None:
        return self.top_logprobs if self.logprobs else None


class CompletionRequest(GenerationRequest):
    """The body of ``/v1/completions``: a plain text to go on with."""

    prompt: str
    logprobs: int | None = Field(None, ge=0, le=20)

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_of_a_list(cls, value: Any) -> Any:
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    @property
    def likeliest(self) -> int | None:
        return self.logprobs


class TokenShare(Record):
    """A candidate for the next token."""

    token: str
    probability: float


class Distance(Record):
    """How far two models stand apart on the first token of one answer."""

    kl: float
    """Kullback-Leibler divergence KL(adapter ‖ base) of the next-token distributions, in nats."""
    top: tuple[TokenShare, ...]
    """The adapter's five likeliest tokens."""
    top_base: tuple[TokenShare, ...]
    """The base model's five likeliest tokens."""
    lower_bound: bool = False
    """Whether `kl` is only known to be at least so much: a server that tells of its likeliest tokens alone."""


class CompareRequest(Lenient):
    """The body of ``/v1/compare``: two models before the same prompt."""

    model: str
    other: str = "base"
    base_model: str | None = None
    messages: tuple[ChatTurn, ...] = Field(min_length=1)


class Comparison(Lenient):
    """How two models stand to each other on the first token of their answers."""

    model: str
    other: str
    distance: Distance
    """Of `model` from `other`, which stands in the place of the base."""
    prompt_tokens: int


class ScoreRequest(Lenient):
    """The body of ``/v1/score``: an answer that is given, and who is asked how likely it is."""

    model: str
    other: str | None = "base"
    """Whom to ask as well; None for nobody."""
    base_model: str | None = None
    messages: tuple[ChatTurn, ...] = Field(min_length=1)
    """The conversation up to the answer."""
    answer: str = Field(min_length=1)


class ScoredToken(Lenient):
    """One token of a given answer."""

    text: str
    """Joined they are the answer and the end of its turn; a character of several tokens stands with the last."""
    logprob: float
    """Natural log of its probability behind all that stands before it, with `ScoreRequest.model`."""
    other_logprob: float | None = None
    ends_turn: bool = False
    """Whether it is one of the tokens that end the turn rather than of the answer's text."""


class Score(Lenient):
    """How likely a given answer is: the very tokens that training on it counts, its end included."""

    model: str
    other: str | None
    tokens: tuple[ScoredToken, ...]
    nll: float
    """Sum of -logprob over `tokens`, in nats; the perplexity is exp(nll / len(tokens))."""
    other_nll: float | None = None
    prompt_tokens: int
    """Tokens before the answer."""


class AdapterFacts(Record):
    """Which adapter answered."""

    name: str
    """Its model id without the strength."""
    hash: str
    """First 12 hex digits of the SHA-256 of its weights file."""
    method: str
    rank: int | None = None
    """None, and left out where answers are streamed, for a method without ranks."""
    strength: float
    mixed: bool
    """Whether it shares a batch with other adapters; else the engine switches to it and back."""
    unmixable: str = ""
    """Why it cannot be mixed, in words; empty when it can."""


class AnswerFacts(Record):
    """What the workbench adds to an answer, under the key ``workbench``.

    A stream tells it twice: in its first chunk, before any token, without what only the end knows; in its last whole.
    """

    adapter: AdapterFacts | None = None
    prompt_tokens: int
    """Tokens that are read before the answer, without those that were left out."""
    cut_tokens: int = 0
    """Tokens of the conversation's oldest turns that were left out, since the context holds no more."""
    cut_turns: int = 0
    """How many turns those were."""
    seconds: float | None = None
    """From the question to the end; only the end knows it, as all that follows."""
    first_token_seconds: float | None = None
    tokens: int | None = None
    """Tokens of the answer, its end included."""
    distance: Distance | None = None


# --- answers ---------------------------------------------------------------------------------------------------------


class TopLogprob(Lenient):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class TokenLogprob(TopLogprob):
    """One written token, and the likeliest in its place."""

    top_logprobs: tuple[TopLogprob, ...] = ()


class ChoiceLogprobs(Lenient):
    content: tuple[TokenLogprob, ...] = ()


class ChunkDelta(Lenient):
    """What a chunk adds to the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(Lenient):
    index: int = 0
    delta: ChunkDelta = ChunkDelta()
    logprobs: ChoiceLogprobs | None = None
    finish_reason: str | None = None


class Usage(Lenient):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatChunk(Lenient):
    """One event of a streamed answer."""

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: tuple[ChunkChoice, ...] = ()
    usage: Usage | None = None
    workbench: AnswerFacts | None = None


class TextLogprobs(Lenient):
    """Likelihoods as ``/v1/completions`` tells them."""

    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[dict[str, float], ...]


class TextChoice(Lenient):
    index: int = 0
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: str | None = None


class TextAnswer(Lenient):
    """A text completion: the whole of it, or one event of its stream."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: tuple[TextChoice, ...] = ()
    usage: Usage | None = None
    workbench: AnswerFacts | None = None


class AnswerMessage(Lenient):
    role: Literal["assistant"] = "assistant"
    content: str


class AnswerChoice(Lenient):
    index: int = 0
    message: AnswerMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: str


class ChatAnswer(Lenient):
    """A whole answer, when it is not streamed."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: tuple[AnswerChoice, ...]
    usage: Usage
    workbench: AnswerFacts | None = None


class ModelEntry(Lenient):
    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "lora-workbench"
    parent: str | None = None
    """vLLM and SGLang name an adapter's base model so."""
    base_model: str | None = None


class ModelList(Lenient):
    object: str = "list"
    data: tuple[ModelEntry, ...]


class StreamPhase(Record):
    """Why nothing is written yet; sent as a comment of the event stream, which other clients skip."""

    phase: str
    detail: str = ""
    done: float | None = None
    position: int | None = None
    """Place in the queue, from 1."""


class ErrorDetail(Lenient):
    """OpenAI's error object; `remedy` is ours."""

    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | int | None = None
    remedy: str = ""


class ErrorAnswer(Lenient):
    error: ErrorDetail
