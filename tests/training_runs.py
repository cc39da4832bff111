"""How tests carry out a run in their own process, stop it at a step, and read what it said."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from workbench.events import Event, StepLogged
from workbench.runs.folder import RunFolder
from workbench.training.__main__ import attempt
from workbench.training.batches import padded
from workbench.training.rows import Row, Rows
from workbench.training.stopping import StopRequest

MakeRun = Callable[..., RunFolder]

logging.disable_progress_bar()  # type: ignore[no-untyped-call]


class StopAt(StopRequest):
    """Asks to stop from the moment on when the step before `step` was logged."""

    def __init__(self, folder: RunFolder, step: int) -> None:
        super().__init__(folder)
        self._reached = folder
        self._step = step

    def made(self) -> bool:
        return any(event.step >= self._step - 1 for event in self._reached.events() if isinstance(event, StepLogged))


def carry_out(folder: RunFolder, stop: StopRequest | None = None) -> list[Event]:
    """One attempt at the run, in this process; every event of the run so far."""
    attempt(folder, stop or StopRequest(folder))
    return list(folder.events())


def losses(folder: RunFolder) -> dict[int, float | None]:
    """Loss by step; a step taken again counts as taken last."""
    return {event.step: event.loss for event in folder.events() if isinstance(event, StepLogged)}


def random_rows(count: int = 5, vocab: int = 300) -> Rows:
    generator = torch.Generator().manual_seed(1)
    encoded = []
    for index in range(count):
        length = 7 + 5 * index
        tokens = torch.randint(0, vocab, (length,), generator=generator).tolist()
        encoded.append(SimpleNamespace(input_ids=tokens, trained=[place > 3 for place in range(length)], cut=0))
    return Rows(encoded)  # type: ignore[arg-type]


def untrained(model_type: str, **shape: Any) -> Any:
    """A random model of an architecture, as small as its own tests have it."""
    sizes = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        model_type, **sizes | {"num_key_value_heads": 2, "max_position_embeddings": 64, "num_hidden_layers": 2} | shape
    )
    return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]


def adapted(model_type: str, *, stirred: bool = True, **lora: Any) -> Any:
    """A random model with LoRA on it, its adapter already away from nothing when `stirred`."""
    torch.manual_seed(0)
    plain = untrained(model_type, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=3)
    for name, weight in plain.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.normal_(weight, mean=1.0, std=0.2)
    options: dict[str, Any] = {"r": 3, "lora_alpha": 5, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | lora
    model = get_peft_model(plain, LoraConfig(**options))
    for name, weight in model.named_parameters():
        if stirred and "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def loss_and_gradients(objective: Any, model: Any, times: int = 1) -> tuple[float, dict[str, torch.Tensor]]:
    """Of the random rows in one batch; the gradients of so many passes, added up."""
    rows = random_rows()
    batch = objective.batch([rows[index] for index in range(len(rows))])
    for _ in range(times):
        loss = objective(batch)
        loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return loss.item(), found


def with_lora(model: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted


def control_loss(model: Any, rows: list[Row]) -> torch.Tensor:
    """What transformers itself says: padded, every position projected, labels of -100 where nothing is learnt."""
    batch = padded(rows)
    labels = torch.full_like(batch["input_ids"], -100)
    for line, row in enumerate(rows):
        labels[line, : len(row.input_ids)] = torch.where(row.trained, row.input_ids, -100)
    if model.get_base_model().config._attn_implementation not in ("eager", "sdpa"):
        model.get_base_model().set_attn_implementation("sdpa")
    loss: torch.Tensor = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels, use_cache=False
    ).loss
    return loss
