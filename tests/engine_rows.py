"""Asking a loaded base model without HTTP, and plain transformers and peft to compare with."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from workbench.engine.base import Base
from workbench.engine.mixing import BASE_DOSE, Dose
from workbench.engine.row_events import Broke, Ended, RowEvent, Wrote
from workbench.engine.rows import Order, Row
from workbench.engine.sampling import Sampler
from workbench.protocol.chat import SamplingFields

TIE = 1e-3
"""Two logits closer than this may change places between two ways of computing them."""


class MakeAdapter(Protocol):
    """Saves a random, effective adapter of the tiny model; `options` go to peft's LoraConfig."""

    def __call__(self, folder: Path, seed: int = 1, **options: Any) -> Path: ...


@dataclass
class Asked:
    """A row on its way, and what it told."""

    row: Row
    events: queue.SimpleQueue[RowEvent] = field(default_factory=queue.SimpleQueue)

    def ended(self, seconds: float = 30.0) -> tuple[str, Ended]:
        """Wait for the end; the text and the last event. A broken row raises its error."""
        text = ""
        while True:
            event = self.events.get(timeout=seconds)
            if isinstance(event, Wrote):
                text += event.text
            elif isinstance(event, Broke):
                raise event.error
            elif isinstance(event, Ended):
                return text, event


def order(base: Base, prompt: tuple[int, ...], dose: Dose = BASE_DOSE, limit: int = 24, **fields: Any) -> Order:
    """An order without end tokens, so that every answer is as long as asked; greedy unless `fields` say otherwise."""
    sampling = SamplingFields(**{"temperature": 0.0, **fields})
    return Order(
        prompt=prompt,
        dose=dose,
        sampler=Sampler.of(sampling),
        limit=limit,
        stop=sampling.stop,
        tokenizer=base.tokenizer,
        end_tokens=frozenset(),
    )


def ask(base: Base, asked: Order) -> Asked:
    """Hand the order to the base's owner thread."""
    events: queue.SimpleQueue[RowEvent] = queue.SimpleQueue()
    row = Row(asked, events.put)
    base.owner.submit(row)
    return Asked(row, events)


class Plain:
    """transformers' own model, with peft's own adapter."""

    def __init__(self, base: Path, adapter: Path | None = None) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(base)
        if adapter is not None:
            self.model = PeftModel.from_pretrained(self.model, str(adapter))
        self.model.eval()

    @torch.no_grad()
    def generate(self, prompt: tuple[int, ...], tokens: int) -> list[int]:
        """Greedy, never ending early."""
        output = self.model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return [int(token) for token in output[0, len(prompt) :]]

    @torch.no_grad()
    def margin(self, tokens: list[int]) -> float:
        """How far the two likeliest next tokens stand apart."""
        best = self.model(input_ids=torch.tensor([tokens])).logits[0, -1].topk(2).values
        return float(best[0] - best[1])


def assert_same(given: list[int], plain: Plain, prompt: tuple[int, ...]) -> None:
    """Equal token for token; a difference counts unless the two likeliest tokens were as good as tied."""
    wanted = plain.generate(prompt, len(given))
    for place, (one, other) in enumerate(zip(given, wanted, strict=True)):
        if one != other:
            margin = plain.margin([*prompt, *wanted[:place]])
            assert margin < TIE, f"token {place} is {one}, not {other}, which leads by {margin:g}"
            return
