"""How far two models of another server stand apart: a lower bound from the likeliest tokens that it tells of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import httpx
from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.playground.external import TIMEOUT, address_of, headers, unreachable
from workbench.protocol.chat import ChatAnswer, Comparison, Distance, TokenShare
from workbench.protocol.refusals import error_from
from workbench.records.datasets import Message

MOST_TOLD = 20
"""OpenAI's protocol tells of no more tokens."""
SHOWN = 5


def compare_external(endpoint: str, model: str, other: str, messages: Sequence[Message]) -> Comparison:
    """`model` from `other`, both at `endpoint`, on the first token of their answers."""
    adapted, prompt_tokens = _first_token(endpoint, model, messages)
    base, _ = _first_token(endpoint, other, messages)
    found = Distance(kl=least_kl(adapted, base), top=_top(adapted), top_base=_top(base), lower_bound=True)
    return Comparison(model=model, other=other, distance=found, prompt_tokens=prompt_tokens)


def least_kl(adapted: Mapping[str, float], base: Mapping[str, float]) -> float:
    """A lower bound of KL(adapted ‖ base) in nats, from the log-probabilities of some tokens of each.

    Tokens that are known of both stand by themselves and all others become one: merging outcomes never raises the
    divergence (Cover and Thomas, Elements of Information Theory, theorem 2.7.1).
    """
    known = [(math.exp(adapted[token]), math.exp(base[token])) for token in adapted.keys() & base.keys()]
    rest = (max(0.0, 1 - sum(p for p, _ in known)), max(0.0, 1 - sum(q for _, q in known)))
    terms = [p * math.log(p / q) for p, q in [*known, rest] if p > 0 and q > 0]
    return max(0.0, sum(terms))


def _first_token(endpoint: str, model: str, messages: Sequence[Message]) -> tuple[dict[str, float], int]:
    """Log-probabilities of the first token's candidates, and the length of the prompt."""
    body = {
        "model": model,
        "messages": [message.model_dump(include={"role", "content"}) for message in messages],
        "max_tokens": 1,
        "temperature": 1.0,  # some servers tell of probabilities after the temperature
        "logprobs": True,
        "top_logprobs": MOST_TOLD,
    }
    try:
        answer = httpx.post(address_of(endpoint, "chat/completions"), json=body, headers=headers(), timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise unreachable(endpoint, error) from error
    if answer.is_error:
        raise error_from(answer.content, answer.status_code)
    try:
        told = ChatAnswer.model_validate_json(answer.content)
    except ValidationError as error:
        raise WorkbenchError(
            f"The server at {endpoint} sent what is no answer.", remedy="Look into its log.", field="endpoint"
        ) from error
    logprobs = told.choices[0].logprobs if told.choices else None
    if logprobs is None or not logprobs.content or not logprobs.content[0].top_logprobs:
        raise WorkbenchError(
            f"The server at {endpoint} tells no log-probabilities, so there is no distance.",
            remedy="Allow logprobs on it: vLLM's --max-logprobs must be at least 20.",
            field="endpoint",
        )
    return {found.token: found.logprob for found in logprobs.content[0].top_logprobs}, told.usage.prompt_tokens


def _top(logprobs: Mapping[str, float]) -> tuple[TokenShare, ...]:
    best = sorted(logprobs.items(), key=lambda pair: -pair[1])[:SHOWN]
    return tuple(TokenShare(token=token, probability=math.exp(logprob)) for token, logprob in best)
