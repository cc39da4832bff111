"""LoRA-GA's study: the gradient of every target weight, and the adapter whose first step follows it.

Wang et al. 2024, section 3 and algorithm 1: with U·S·V the gradient, A begins with the first r rows of V and B with the
next r columns of U, both scaled by ⁴√out / √γ so that outputs and gradients keep their size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.methods.fields import value_for
from workbench.methods.lora_ga import LoraGradientAligned
from workbench.training.rows import Row
from workbench.training.studies.findings import Findings, Start
from workbench.training.studies.reading import Reading
from workbench.training.studies.study import STUDIES, Study

_ITERATIONS = 4
"""Of the randomised decomposition, which looks for twice as many directions as are taken."""


@STUDIES.add("lora_ga")
class GradientStudy(Study):
    """Gradients, and their main directions."""

    method: LoraGradientAligned

    def find(self, model: Any, modules: dict[str, nn.Module], reading: Reading) -> Findings:
        gradients = _gradients(model, modules, reading)
        torch.manual_seed(0)  # of the randomised decomposition: the same gradients give the same start
        return {name: self._start(name, gradients[name]) for name in reading.working_out(list(gradients))}

    def _start(self, name: str, gradient: Tensor) -> Start:
        rank = int(value_for(name, dict(self.method.rank_pattern), self.method.rank))
        return aligned(gradient, rank, self.method.stable_gamma)


def aligned(gradient: Tensor, rank: int, gamma: float) -> Start:
    """The start along `gradient` (out, in)."""
    left, _, right = torch.svd_lowrank(gradient, q=min(4 * rank, *gradient.shape), niter=_ITERATIONS)
    scale = len(gradient) ** 0.25 / gamma**0.5
    return Start(right[:, :rank].T * scale, left[:, rank : 2 * rank] * scale)


def _gradients(model: Any, modules: dict[str, nn.Module], reading: Reading) -> dict[str, Tensor]:
    """(out, in) in single precision: of the summed loss of all rows, whose size does not matter here."""
    wanted: dict[str, Any] = {name: module.weight for name, module in modules.items()}
    before = {name: weight.requires_grad for name, weight in model.named_parameters()}
    model.requires_grad_(False)
    for weight in wanted.values():
        weight.requires_grad_(True)
    sums: dict[str, Tensor] = {}
    try:
        for row in reading:
            found = torch.autograd.grad(_loss(model, row), list(wanted.values()), allow_unused=True)
            for name, gradient in zip(wanted, found, strict=True):
                if gradient is not None:
                    sums[name] = sums[name] + gradient.float() if name in sums else gradient.float()
    finally:
        for name, weight in model.named_parameters():
            weight.requires_grad_(before[name])
    return {name: total if isinstance(modules[name], nn.Linear) else total.T for name, total in sums.items()}


def _loss(model: Any, row: Row) -> Tensor:
    """Summed cross-entropy of the row's trained tokens."""
    logits = model(input_ids=row.input_ids[None].to(model.device), use_cache=False).logits[0, :-1].float()
    trained = row.trained[1:].to(logits.device)
    targets = row.input_ids[1:].to(logits.device)
    return functional.cross_entropy(logits[trained], targets[trained], reduction="sum")
