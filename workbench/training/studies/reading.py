"""The rows that a study reads: drawn by the run's seed, told of as a phase, left when the run is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from workbench.events import Phase
from workbench.training.report import Report
from workbench.training.rows import Row, Rows
from workbench.training.stopping import StopRequest

_STREAM = 0x51D7
"""Sets these draws apart from the order in which rows are trained on."""
_READING = 0.6
"""Share of the phase that reading takes; what is found is worked out in the rest."""


class Reading:
    """Rows in the order in which they are read, each by itself and without padding."""

    def __init__(self, rows: Rows, wanted: int, seed: int, report: Report, stop: StopRequest) -> None:
        self._rows = rows
        self._order = numpy.random.default_rng([seed, _STREAM]).permutation(len(rows))[:wanted].tolist()
        self._report = report
        self._stop = stop

    def __iter__(self) -> Iterator[Row]:
        for number, index in enumerate(self._order):
            self._tell(f"row {number + 1:,} of {len(self._order):,}", _READING * number / len(self._order))
            yield self._rows[index]

    @property
    def trained_tokens(self) -> int:
        """Tokens of them that the loss counts."""
        return sum(self._rows[index].targets for index in self._order)

    def working_out(self, names: list[str]) -> Iterator[str]:
        """The modules one after another, while it is told which."""
        for number, name in enumerate(names):
            self._tell(f"module {number + 1:,} of {len(names):,}", _READING + (1 - _READING) * number / len(names))
            yield name

    def _tell(self, detail: str, done: float) -> None:
        self._stop.obey()
        self._report.enter(Phase.STUDYING, detail, done)


@torch.no_grad()
def read(model: Any, row: Row, *, to_the_head: bool = False) -> None:
    """Run the plain transformers `model` over one row, for those who listen at its modules."""
    inner = model if to_the_head else model.base_model
    inner(input_ids=row.input_ids[None].to(model.device), use_cache=False)


@contextmanager
def listening(modules: dict[str, nn.Module], hear: Callable[[str, Tensor], None]) -> Iterator[None]:
    """While inside, `hear` gets the name of each module and its input (1, T, in) whenever it computes."""
    with ExitStack() as stack:
        for name, module in modules.items():

            def told(_: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
                hear(name, given[0])

            stack.callback(module.register_forward_pre_hook(told).remove)
        yield


def leaders(model: Any, modules: dict[str, nn.Module], row: Row, *, to_the_head: bool) -> dict[str, str]:
    """For each module the first of those that read the very same input: one of them is enough to listen at."""
    inputs: dict[str, Tensor] = {}  # kept until all are there, so that no two have one address
    with listening(modules, inputs.__setitem__):
        read(model, row, to_the_head=to_the_head)
    firsts: dict[int, str] = {}
    return {name: firsts.setdefault(id(inputs[name]), name) for name in modules if name in inputs}
