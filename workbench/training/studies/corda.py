"""CorDA's study: each weight decomposed as the data sees it, by the covariance C of its inputs.

Yang et al. 2024, section 3.2: U·S·V = W·C, so W = U·S·(V·C⁻¹). The adapter takes r of these components out of the
weight: the first, which these rows use most (instruction-previewed), or the last (knowledge-preserved).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.methods.corda import Corda
from workbench.methods.fields import value_for
from workbench.training.studies.findings import Findings, Start
from workbench.training.studies.reading import Reading, leaders, listening, read
from workbench.training.studies.study import STUDIES, Study, needs_the_head

_DAMPING = 0.01
"""Of the covariance's mean diagonal, added to it so that it can be inverted (the paper's section 3.2)."""


@STUDIES.add("corda")
class CordaStudy(Study):
    """Covariances, and the components of each weight under them."""

    method: Corda

    def find(self, model: Any, modules: dict[str, nn.Module], reading: Reading) -> Findings:
        head = needs_the_head(model, modules)
        leader = leaders(model, modules, next(iter(reading)), to_the_head=head)
        sums: dict[str, Tensor] = {}

        def hear(name: str, given: Tensor) -> None:
            vectors = given[0].float()
            covariance = vectors.T @ vectors
            sums[name] = sums[name] + covariance if name in sums else covariance

        with listening({name: modules[name] for name in dict.fromkeys(leader.values())}, hear):
            for row in reading:
                read(model, row, to_the_head=head)
        return {
            name: self._start(name, modules[name], sums[leader[name]]) for name in reading.working_out(list(leader))
        }

    def _start(self, name: str, module: nn.Module, covariance: Tensor) -> Start:
        method = self.method
        rank = int(value_for(name, dict(method.rank_pattern), method.rank))
        scaling = value_for(name, dict(method.alpha_pattern), method.alpha) / rank
        return components(_by_output(module), covariance, rank, scaling, last=method.mode == "knowledge")


def components(weight: Tensor, covariance: Tensor, rank: int, scaling: float, *, last: bool) -> Start:
    """The adapter that begins with `rank` components of `weight` (out, in) under `covariance` (in, in).

    scaling·B·A is their sum. Raises `WorkbenchError` when the covariance is no finite matrix.
    """
    if not covariance.isfinite().all():
        raise WorkbenchError(
            "The base model gives no finite numbers on these rows.", remedy="Choose LoRA, or another precision."
        )
    size = len(covariance)
    mean = covariance.diagonal().mean().clamp_min(1e-12)
    steadied = covariance / mean + _DAMPING * torch.eye(size, dtype=covariance.dtype, device=covariance.device)
    left, values, right = torch.linalg.svd(weight.float() @ steadied, full_matrices=False)
    chosen = slice(len(values) - rank, len(values)) if last else slice(0, rank)
    back = torch.linalg.solve(steadied.double(), right[chosen].T.double()).T.float()  # V·C⁻¹: C is symmetric
    root = (values[chosen] / scaling).sqrt()
    return Start(root[:, None] * back, left[:, chosen] * root)


def _by_output(module: Any) -> Tensor:
    """The module's weight as (out, in), which a Conv1D keeps the other way round."""
    weight: Tensor = module.weight.detach()
    return weight if isinstance(module, nn.Linear) else weight.T
