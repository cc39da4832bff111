"""Answers to a few fixed prompts in the middle of a training, so that one can read how the model learns.

An extra, never a reason to fail: what goes wrong here becomes a warning, and the run goes on without it. Greedy, so
that no random number is drawn and the run's losses are the same with it and without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, StoppingCriteriaList

from workbench.config import SamplesConfig
from workbench.data import render
from workbench.events import Answered, Phase
from workbench.records.datasets import Message
from workbench.training.attention import SEGMENTS
from workbench.training.report import Report

_WHAT_GENERATION_RAISES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TemplateError,
    TypeError,
    ValueError,
)


class Samples:
    """A run's prompts, and how they are put to its model."""

    def __init__(self, config: SamplesConfig, tokenizer: Any, report: Report, stopping: Callable[[], bool]) -> None:
        self._prompts = config.prompts
        self._max_tokens = config.max_tokens
        self._tokenizer = tokenizer
        self._report = report
        self._stopping = stopping

    @property
    def wanted(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self._prompts)

    def answer(self, model: Any, step: int) -> None:
        """Put every prompt to `model`, as `step` steps have made it, and tell the answers."""
        was_training = model.training
        model.eval()
        try:
            with _own_attention(model), torch.no_grad():
                for number, prompt in enumerate(self._prompts, 1):
                    if self._stopping():
                        return
                    self._report.enter(Phase.EVALUATING, f"sample answer {number} of {len(self._prompts)}")
                    self._report.write(self._answered(model, prompt, step))
        except _WHAT_GENERATION_RAISES as error:
            self._prompts = ()
            self._report.warn(
                f"Sample answers are left out from step {step} on: {type(error).__name__}: {error}",
                "The training is not touched by it; talk to the finished adapter in the playground.",
            )
        finally:
            model.train(was_training)

    def _answered(self, model: Any, prompt: str, step: int) -> Answered:
        text = render([Message(role="user", content=prompt)], self._tokenizer, add_generation_prompt=True)
        asked = self._tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"].to(model.device)
        written = self._written(model, asked)
        return Answered(
            step=step,
            prompt=prompt,
            text=self._tokenizer.decode(written, skip_special_tokens=True).strip(),
            tokens=len(written),
            cut=len(written) >= self._max_tokens,
        )

    def _written(self, model: Any, asked: torch.Tensor) -> list[int]:
        """The tokens that `model` writes behind `asked` (1, T), the one that ends its turn among them."""
        ends = model.generation_config.eos_token_id
        settings = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=self._max_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else ends,
        )
        whole = model.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            generation_config=settings,
            stopping_criteria=StoppingCriteriaList([self._halt]),
        )
        new: list[int] = whole[0, asked.shape[1] :].tolist()
        return new

    def _halt(self, tokens: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Whether somebody asked the run to stop: nobody waits for the end of an answer."""
        return torch.full((tokens.shape[0],), self._stopping(), dtype=torch.bool, device=tokens.device)


@contextmanager
def _own_attention(model: Any) -> Iterator[None]:
    """`model` with the attention that generating needs: that of segments knows no cache, and is silently wrong."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = plain.config._attn_implementation
    if before != SEGMENTS:
        yield
        return
    plain.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        plain.set_attn_implementation(before)
