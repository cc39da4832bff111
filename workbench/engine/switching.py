"""Adapters that cannot share a batch: peft puts one of them into the model, and it is on only for its own rows.

Only what peft does inside the model's modules can be switched. Methods that work around the model's forward pass, such
as routers, are refused when the adapter is read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel

from workbench.engine.adapters import Adapter, other_base
from workbench.engine.changed import Swap
from workbench.engine.mixing import BASE_DOSE, Dose
from workbench.engine.own import Own
from workbench.engine.strength import set_strength
from workbench.errors import WorkbenchError

_SIZE = re.compile(r"size mismatch for (?:base_model\.model\.)?(\S+): .*?\[([\d, ]*)\].*?\[([\d, ]*)\]")
"""How torch tells of a tensor with another shape: its name, its shape in the file, its shape in the model."""


class Switch:
    """At most one such adapter at a time, at one strength."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._own = Own.of(model)
        self._dose = BASE_DOSE
        self._injected: PeftModel | None = None
        self._swap: Swap | None = None
        self._before: list[tuple[nn.Module, dict[str, nn.Module | None]]] = []
        """Each module's children as they were: peft's own `unload` leaves whole trained modules in the model."""

    def admit(self, dose: Dose, running: Sequence[Dose]) -> bool:
        """Make ready for a row of `dose` beside those `running`; False while another such adapter is at work.

        Raises `WorkbenchError` when peft cannot load the adapter.
        """
        busy = any(other.switched for other in running)
        if not dose.switched:
            if not busy:
                self._take_out()
            return True
        if dose.adapter is self._dose.adapter and dose.strength == self._dose.strength:
            return True
        if busy:
            return False
        self._take_out()
        assert dose.adapter is not None
        self._put_in(dose.adapter, dose.strength)
        self._dose = dose
        return True

    def run(self, doses: Sequence[Dose], one_pass: Callable[[Sequence[int]], list[Tensor]]) -> list[Tensor]:
        """`one_pass` over the rows that share the model as it is, and one over those of the switched adapter.

        It takes indices into `doses` and gives logits, which come out in the order of `doses`.
        """
        own = [index for index, dose in enumerate(doses) if dose.switched]
        shared = [index for index, dose in enumerate(doses) if not dose.switched]
        logits: dict[int, Tensor] = {}
        if shared:
            with self.off():
                logits |= zip(shared, one_pass(shared), strict=True)
        if own:
            logits |= zip(own, one_pass(own), strict=True)
        return [logits[index] for index in range(len(doses))]

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """The base model as it is."""
        tuner: Any = self._injected.base_model if self._injected is not None else None
        if tuner is not None:
            tuner.disable_adapter_layers()
        if self._swap is not None:
            self._swap.take_out()
        try:
            yield
        finally:
            if tuner is not None:
                tuner.enable_adapter_layers()
            if self._swap is not None:
                self._swap.put_in()

    def _put_in(self, adapter: Adapter, strength: float) -> None:
        if adapter.changed:
            self._swap = _swapped(self._model, self._own, adapter, strength)
        else:
            self._inject(adapter, strength)

    def _inject(self, adapter: Adapter, strength: float) -> None:
        self._before = [(module, dict(module._modules)) for module in self._model.modules()]
        try:
            with torch.inference_mode(False):
                injected = PeftModel.from_pretrained(self._model, str(adapter.folder))
        except (OSError, RuntimeError, TypeError, ValueError, KeyError) as error:
            if wrong := _SIZE.findall(str(error)):
                told = [f"“{name}” is [{here}] here, but [{there}] in the adapter." for name, there, here in wrong]
                raise other_base(told) from error
            raise WorkbenchError(
                f"peft cannot load this {adapter.method} adapter: {error}",
                remedy="Check that it belongs to this base model.",
                field="model",
            ) from error
        injected.eval()
        self._injected = injected
        if not set_strength(injected, strength):
            self._take_out()
            raise WorkbenchError(
                f"A {adapter.method} adapter has no strength but its full one.",
                remedy=f"Use {adapter.name}.",
                field="model",
            )

    def _take_out(self) -> None:
        if self._injected is not None:
            for module, children in self._before:
                module._modules.clear()
                module._modules.update(children)
            del self._model.peft_config
        if self._swap is not None:
            self._swap.take_out()
        self._injected = self._swap = None
        self._dose = BASE_DOSE


def _swapped(model: PreTrainedModel, own: Own, adapter: Adapter, strength: float) -> Swap:
    try:
        return Swap(model, own, adapter.folder, strength)
    except (OSError, RuntimeError, SafetensorError, KeyError) as error:
        raise WorkbenchError(
            f"The changed weights cannot be loaded: {error}",
            remedy="Train or copy them again; where memory ran out, pick a smaller model.",
            field="model",
        ) from error
