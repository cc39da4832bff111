"""Rows side by side: the threads of a CPU part into strands, each of which takes some rows of a batch all the way.

When all threads share every product and every small operation, they wait for one another thousands of times a step,
and each reads what another has in its cache. Strands wait for one another once a step. The loss is the same sum, and
gradients are added in the strands' order, so that a step stays repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from workbench.training.batches import Batch
from workbench.training.rows import Row

_LEAST = 128
"""Tokens that a strand has to have: for fewer, reading the weights costs more than waiting."""
_UNEVEN = 1.15
"""How many times a strand's even share the longest may be, with what is computed twice: more would eat up the gain."""

Loss = Callable[[Batch], Tensor]


class Strands:
    """Makes strands of batches, and computes them at the same time; `threads` are those of all together."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="strand")

    def batch(self, collate: Callable[[Sequence[Row]], Batch], rows: Sequence[Row]) -> Batch:
        """`rows` collated: with their strands under ``strands`` where they part evenly, else as they are."""
        whole = collate(rows)
        tokens = whole["input_ids"].shape[1]
        for count in range(min(len(rows), tokens // _LEAST, self._threads), 1, -1):
            if self._threads % count:
                continue
            strands = [collate(strand) for strand in parted(rows, count)]
            if max(strand["input_ids"].shape[1] for strand in strands) * count <= _UNEVEN * tokens:
                targets = torch.cat([strand["targets"] for strand in strands])
                return {"strands": strands, "targets": targets, "tokens": whole["tokens"]}
        return whole

    def loss(self, compute: Loss, strands: Sequence[Batch], weights: Sequence[Tensor]) -> Tensor:
        """The sum of what `compute` gives for each strand, with the gradients of `weights`."""
        if not torch.is_grad_enabled():
            return torch.stack([loss for loss, _ in self._computed(compute, strands, ())]).sum()
        total: Tensor = _SideBySide.apply(self, compute, strands, *weights)  # type: ignore[no-untyped-call]
        return total

    def _computed(
        self, compute: Loss, strands: Sequence[Batch], weights: Sequence[Tensor]
    ) -> list[tuple[Tensor, Sequence[Tensor | None]]]:
        """Loss and gradients of each strand; every strand has ended before an error of one is raised."""
        each = self._threads // len(strands)
        begun = [self._pool.submit(_strand, compute, strand, weights, each) for strand in strands]
        error = next(filter(None, [strand.exception() for strand in begun]), None)
        if error is None:
            return [strand.result() for strand in begun]
        try:
            raise error
        finally:  # else this frame and the error hold one another, and with them all that the strand had made
            del error, begun


def _strand(
    compute: Loss, batch: Batch, weights: Sequence[Tensor], threads: int
) -> tuple[Tensor, Sequence[Tensor | None]]:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)  # of this thread's own products
    with torch.set_grad_enabled(bool(weights)):
        loss = compute(batch)
    if not weights:
        return loss, ()
    return loss.detach(), torch.autograd.grad(loss, weights, allow_unused=True)


class _SideBySide(torch.autograd.Function):
    """Gradients are made on the way forward, in the strands; the way back hands them out."""

    @staticmethod
    def forward(ctx: Any, strands: Strands, compute: Loss, batches: Sequence[Batch], *weights: Tensor) -> Tensor:
        losses, gradients = zip(*strands._computed(compute, batches, weights), strict=True)
        ctx.gradients = [_sum(parts) for parts in zip(*gradients, strict=True)]
        return torch.stack(losses).sum()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        torch._foreach_mul_([each for each in gradients if each is not None], outputs[0])
        return None, None, None, *gradients


def _sum(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    total = known[0] if known else None
    for part in known[1:]:
        total = part if total is None else total.add_(part)
    return total


def parted(rows: Sequence[Row], count: int) -> list[list[Row]]:
    """`rows` in `count` parts of about as many tokens; in a part they keep their order.

    The longest row first, each to the part that has the fewest tokens (longest processing time first; Graham 1969);
    then rows change places between the longest and the shortest part for as long as that brings them closer.
    """
    lengths = [len(row.input_ids) for row in rows]
    parts: list[list[int]] = [[] for _ in range(count)]

    def tokens(part: list[int]) -> int:
        return sum(lengths[row] for row in part)

    for row in sorted(range(len(rows)), key=lambda row: (-lengths[row], row)):
        min(parts, key=tokens).append(row)
    while True:
        shortest, *_, longest = sorted(parts, key=tokens)
        apart = tokens(longest) - tokens(shortest)
        gains = [
            (abs(apart - 2 * (lengths[row] - lengths[other])), row, other) for row in longest for other in shortest
        ]
        left, row, other = min(gains)
        if left >= apart:
            return [[rows[row] for row in sorted(part)] for part in parts]
        longest[longest.index(row)], shortest[shortest.index(other)] = other, row
