"""Which rows are held out depends on their number, the share and the seed, on nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data import split


@given(st.integers(0, 500), st.floats(0, 0.5), st.integers(0, 2**31 - 1))
def test_every_row_is_on_one_side(rows: int, share: float, seed: int) -> None:
    train, validation = split(rows, share, seed)
    assert sorted(train + validation) == list(range(rows))
    assert (train, validation) == (sorted(train), sorted(validation))
    assert rows == 0 or train


@pytest.mark.parametrize(
    ("rows", "share", "held_out"), [(503, 0.05, 25), (10, 0.01, 1), (1, 0.5, 0), (9, 0, 0), (2, 0.5, 1)]
)
def test_the_share_is_held_out(rows: int, share: float, held_out: int) -> None:
    assert len(split(rows, share, 0)[1]) == held_out


def test_the_seed_decides() -> None:
    assert split(100, 0.1, 1) == split(100, 0.1, 1)
    assert split(100, 0.1, 1) != split(100, 0.1, 2)
