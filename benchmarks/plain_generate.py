"""The control of `chat_speed`: transformers' `generate` with peft's own adapters, one answer after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from workbench.data import render
from workbench.records.datasets import Message


@dataclass(frozen=True)
class Answer:
    """What one `generate` call gave."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    seconds: float


class PlainModel:
    """The base model with any number of adapters in it, as peft's documentation shows it."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self._peft: Any = None

    def make_adapters(self, folders: Sequence[Path]) -> None:
        """Save an adapter of rank 8 on every linear layer into each folder; random, and small enough to talk sense."""
        settings = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        made: Any = get_peft_model(self.model, settings)
        for seed, folder in enumerate(folders):
            torch.manual_seed(seed)
            with torch.no_grad():
                for name, parameter in made.named_parameters():
                    if "lora_" in name:
                        parameter.normal_(0.0, 0.02)
            made.save_pretrained(str(folder))
        self.model = made.unload()

    def load(self, adapters: dict[str, Path]) -> None:
        """Put the adapters into the model."""
        for name, folder in adapters.items():
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(self.model, str(folder), adapter_name=name)
            else:
                self._peft.load_adapter(str(folder), adapter_name=name)
        self._peft.eval()

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say, without special ones."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    @torch.inference_mode()
    def answer(self, adapter: str | None, messages: Sequence[Message], tokens: int) -> Answer:
        """A greedy answer of the adapter, or of the base."""
        prompt = tuple(self.prompt(messages))
        if adapter is None:
            with self._peft.disable_adapter():
                return self._generate(prompt, tokens)
        self._peft.set_adapter(adapter)
        return self._generate(prompt, tokens)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that an answer to `messages` follows."""
        text = render(messages, self.tokenizer, add_generation_prompt=True)
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    @torch.inference_mode()
    def lead(self, adapter: str | None, prompt: Sequence[int], answer: Sequence[int]) -> tuple[int, float]:
        """Where `answer` first leaves the likeliest token (its length where it never does), and how far that leads.

        One forward pass over prompt and answer instead of a call of `generate`: an answer that takes the likeliest
        token at every place is what greedy generation writes.
        """
        if adapter is None:
            with self._peft.disable_adapter():
                logits = self._peft(torch.tensor([[*prompt, *answer]])).logits[0]
        else:
            self._peft.set_adapter(adapter)
            logits = self._peft(torch.tensor([[*prompt, *answer]])).logits[0]
        for place, token in enumerate(answer):
            scores = logits[len(prompt) + place - 1]
            if int(scores.argmax()) != token:
                return place, float(scores.max() - scores[token])
        return len(answer), 0.0

    def _generate(self, prompt: tuple[int, ...], tokens: int) -> Answer:
        given = torch.tensor([prompt])
        began = time.perf_counter()
        output = self._peft.generate(
            input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=tokens, do_sample=False
        )
        seconds = time.perf_counter() - began
        return Answer(prompt, tuple(int(token) for token in output[0, len(prompt) :]), seconds)
