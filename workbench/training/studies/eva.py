"""EVA's study: the principal directions of each module's inputs, and the ranks that their variances earn.

Paischer et al. 2024, section 3: incremental decomposition with a moving mean (Ross et al. 2008), over the positions
that the loss counts. It ends when the directions stand still or when the rows are through, so it always ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import Problem
from workbench.methods.eva import FEWEST_TOKENS, Eva
from workbench.methods.fields import value_for
from workbench.training.studies.findings import Findings, Start
from workbench.training.studies.reading import Reading, leaders, listening, read
from workbench.training.studies.study import STUDIES, Study, needs_the_head

_STANDS_STILL = 0.99
"""The cosine between a direction and itself one step ago; the paper's tau."""


class Directions:
    """The `count` main directions of all vectors that it was shown, without keeping them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._shown: list[Tensor] = []
        self._waiting = 0
        self._seen = 0
        self._mean = torch.empty(0)
        self._scatter = 0.0
        self._values = torch.empty(0)
        self.found = torch.empty(0)
        """(count, width), orthonormal rows, the one with the most variance first."""
        self.still = False
        """Whether the last step moved none of them."""

    def show(self, vectors: Tensor) -> None:
        """(tokens, width)."""
        self._shown.append(vectors.float())
        self._waiting += len(vectors)
        if self._waiting >= max(self._count, FEWEST_TOKENS):
            self._take_in()

    def finish(self) -> None:
        """Take in what is left."""
        if self._waiting and (self._seen or self._waiting >= self._count):
            self._take_in()

    @property
    def shares(self) -> Tensor:
        """(count,): of the variance of all vectors, what lies in each direction."""
        return self._values.square() / max(self._scatter, 1e-30)

    def _take_in(self) -> None:
        batch = torch.cat(self._shown)
        self._shown, self._waiting = [], 0
        mean = batch.mean(0)
        centred = batch - mean
        rows = [centred]
        if self._seen:
            moved = (self._seen * len(batch) / (self._seen + len(batch))) ** 0.5 * (self._mean - mean)
            rows = [self._values[:, None] * self.found, centred, moved[None]]
            self._scatter += float(moved.square().sum())
        self._scatter += float(centred.square().sum())
        self._mean = (self._seen * self._mean + len(batch) * mean) / (self._seen + len(batch)) if self._seen else mean
        self._seen += len(batch)
        before = self.found
        self._values, self.found = _main_directions(torch.cat(rows), self._count)
        if before.shape == self.found.shape:
            cosines = (before * self.found).sum(1).abs()
            self.still = bool((cosines >= _STANDS_STILL).all())


def _main_directions(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest singular values of `rows` (n, width) and their right singular vectors.

    By the eigenvectors of the smaller of both products, in double precision: many times faster than a decomposition.
    """
    exact = rows.double()
    if len(rows) >= rows.shape[1]:
        squares, vectors = torch.linalg.eigh(exact.T @ exact)
        directions = vectors.T.flip(0)[:count]
    else:
        squares, vectors = torch.linalg.eigh(exact @ exact.T)
        directions = nn.functional.normalize(vectors.T.flip(0)[:count] @ exact, dim=1)
    return squares.flip(0)[:count].clamp_min(0).sqrt().float(), directions.float()


@STUDIES.add("eva")
class EvaStudy(Study):
    """Principal directions, and where the ranks go."""

    method: Eva

    def problems(self, reading: Reading) -> Sequence[Problem]:
        return self.method.too_few(reading.trained_tokens)

    def find(self, model: Any, modules: dict[str, nn.Module], reading: Reading) -> Findings:
        head = needs_the_head(model, modules)
        leader = leaders(model, modules, next(iter(reading)), to_the_head=head)
        ranks = {name: int(value_for(name, dict(self.method.rank_pattern), self.method.rank)) for name in leader}
        most = {name: self._most(name, ranks, modules[name], leader) for name in leader}
        found = {name: Directions(most[name]) for name in dict.fromkeys(leader.values())}
        self._read(model, modules, reading, found, to_the_head=head)
        shares = {name: found[leader[name]].shares[: most[name]] for name in leader}
        earned = redistributed(shares, sum(ranks.values())) if self.method.moves else ranks
        return {name: Start(found[leader[name]].found[:rank].clone()) for name, rank in earned.items() if rank}

    def _most(self, name: str, ranks: dict[str, int], module: nn.Module, leader: dict[str, str]) -> int:
        """The directions looked for at a module: those of the widest of all that read the same input."""
        alike = max(ranks[other] for other, first in leader.items() if first == leader[name])
        weight: Any = module.weight
        width = module.in_features if isinstance(module, nn.Linear) else len(weight)
        return min(self.method.most(alike), width)

    def _read(
        self,
        model: Any,
        modules: dict[str, nn.Module],
        reading: Reading,
        found: dict[str, Directions],
        *,
        to_the_head: bool,
    ) -> None:
        positions = torch.empty(0, dtype=torch.long)

        def hear(name: str, given: Tensor) -> None:
            if not found[name].still:
                found[name].show(given[0, positions.to(given.device)])

        with listening({name: modules[name] for name in found}, hear):
            for row in reading:
                if all(each.still for each in found.values()):
                    break
                positions = row.trained[1:].nonzero().squeeze(1)
                read(model, row, to_the_head=to_the_head)
        for name in reading.working_out(list(found)):
            found[name].finish()

    def fit(self, peft_config: Any, findings: Findings) -> None:
        """Each module its own rank, at the strength that it had; without an adapter where none is left."""
        method = self.method
        peft_config.target_modules = set(findings)
        peft_config.exclude_modules = peft_config.layers_to_transform = None
        alphas, ranks = dict(method.alpha_pattern), dict(method.rank_pattern)
        peft_config.rank_pattern = {name: len(start.down) for name, start in findings.items()}
        peft_config.alpha_pattern = {
            name: value_for(name, alphas, method.alpha) * len(start.down) / value_for(name, ranks, method.rank)
            for name, start in findings.items()
        }


def redistributed(shares: dict[str, Tensor], budget: int) -> dict[str, int]:
    """The ranks of each module when the `budget` largest shares of variance, wherever they lie, get one each."""
    owners = [name for name, share in shares.items() for _ in range(len(share))]
    order = torch.cat(list(shares.values())).argsort(descending=True, stable=True)[:budget].tolist()
    ranks = dict.fromkeys(shares, 0)
    for place in order:
        ranks[owners[place]] += 1
    return ranks
