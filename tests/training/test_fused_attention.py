"""Attention within rows, by products or by torch's kernel, equals the plain formula and its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workbench.training.batches import shared
from workbench.training.fused.attention import _KEPT, _SHORT, Rows, attend, attend_backward, rows_of
from workbench.training.rows import Row

HEADS, KEY_HEADS, WIDTH, SCALE = 4, 2, 8, 0.3


def lying(*lengths: int, common: int = 0) -> Rows:
    """Where rows of these lengths lie, each of which begins with the same `common` tokens."""
    rows = []
    for number, length in enumerate(lengths):
        tokens = torch.arange(length) + 10_000 * number
        tokens[:common] = torch.arange(common)
        rows.append(Row(torch.cat([tokens, torch.tensor([1])]), torch.ones(length + 1, dtype=torch.bool)))
    return rows_of(shared(rows), HEADS // KEY_HEADS)


def plain(query: Tensor, pairs: Tensor, rows: Rows) -> Tensor:
    """softmax(q·kᵀ)·v of each row, with what it begins with."""
    found = torch.zeros_like(query)
    start = 0
    for row in rows.stretches:
        own = slice(start, start + row.own)
        start += row.own
        whole = rows.whole(pairs)[row.keys]
        halves = (whole[:, :KEY_HEADS], whole[:, KEY_HEADS:])
        keys, values = (each.repeat_interleave(HEADS // KEY_HEADS, 1) for each in halves)
        scores = torch.einsum("qhd,khd->hqk", query[own], keys) * SCALE
        later = torch.arange(row.length) > torch.arange(row.length - row.own, row.length)[:, None]
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        found[own] = torch.einsum("hqk,khd->qhd", weights, values)
    return found


@pytest.mark.parametrize(
    ("lengths", "common"),
    [
        ((5, 1, 9), 0),
        ((7, 12, 9), 4),
        ((_KEPT + 20, _KEPT - 3), 0),
        ((_KEPT + 20, _SHORT), 30),
        ((_SHORT + 1, 6), 0),
        ((_SHORT + 40, _SHORT + 9, 50), 33),
    ],
    ids=str,
)
def test_it_equals_the_formula(lengths: tuple[int, ...], common: int) -> None:
    rows = lying(*lengths, common=common)
    tokens = sum(row.own for row in rows.stretches)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(tokens, HEADS, WIDTH, generator=generator, requires_grad=True)
    pairs = torch.randn(tokens, 2 * KEY_HEADS, WIDTH, generator=generator, requires_grad=True)
    gradient = torch.randn(tokens, HEADS, WIDTH, generator=generator)
    expected = plain(query, pairs, rows)
    expected.backward(gradient)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        output, kept = attend(query, pairs, rows, SCALE)
        of_query = query.clone()
        of_pairs = attend_backward(gradient, of_query, pairs, output, kept, rows, SCALE)
    torch.testing.assert_close(output, expected.detach(), rtol=1e-4, atol=1e-5)
    assert query.grad is not None and pairs.grad is not None
    torch.testing.assert_close(of_query, query.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(of_pairs, pairs.grad, rtol=1e-3, atol=1e-5)


def test_only_small_weights_are_kept() -> None:
    rows = lying(_KEPT, _KEPT + 1)
    states = torch.randn(sum(row.own for row in rows.stretches), HEADS, WIDTH)
    _, kept = attend(states, states, rows, SCALE)
    assert [weights is None for weights in kept] == [False, True]
