"""Frozen matrices laid out once the way oneDNN wants them, where that is faster on this CPU.

Whether it is depends on the CPU, the shape and the BLAS that torch was built with, so a short self-test decides: once a
CPU, kept in the home, recorded in the run and taken from there when the run goes on, because the two products differ in
their last digits. The operators are torch's own but private: where they are missing or differ, nothing is packed.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from workbench.runs.durable import write_whole

GAIN = 0.85
"""A packed product has to take less than this share of the plain one's time: it is a second copy of the weights."""
_GOES = 7
_TOLERANCE = 1e-4
"""Largest difference from the plain product, relative to its spread."""


class PackedMatrix:
    """A frozen (out, in) matrix; calling it multiplies (rows, in) to (rows, out)."""

    def __init__(self, matrix: Tensor, rows: int) -> None:
        self._packed = torch.ops.mkldnn._reorder_linear_weight(matrix, rows)

    def __call__(self, inputs: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._packed, None, "none", [], "")
        return product


class PackChoices:
    """Decides for each shape, by what was `recorded` in the run, what `file` knows of this CPU, or a self-test."""

    def __init__(self, file: Path, cpu: str, recorded: Mapping[str, bool] | None = None) -> None:
        self._file = file
        self._cpu = cpu
        self._recorded = recorded
        self.taken: dict[str, bool] = {}
        """By shape, what was decided in this run."""

    def packed(self, matrix: Tensor, rows: int) -> PackedMatrix | None:
        """`matrix` packed for products with about so many rows, or nothing where the plain product stays."""
        if matrix.device.type != "cpu" or matrix.dtype != torch.float32:
            return None
        name = "x".join(map(str, matrix.shape))
        if name not in self.taken:
            self.taken[name] = self._decision(name, matrix, rows)
        return PackedMatrix(matrix, rows) if self.taken[name] else None

    def _decision(self, name: str, matrix: Tensor, rows: int) -> bool:
        if self._recorded is not None:
            return self._recorded.get(name, False)
        known = self._known()
        mine = known.setdefault(self._cpu, {})
        if name not in mine:
            mine[name] = faster_packed(matrix, rows)
            write_whole(self._file, json.dumps(known, indent=1))
        return mine[name]

    def _known(self) -> dict[str, dict[str, bool]]:
        try:
            known: dict[str, dict[str, bool]] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known


@torch.no_grad()
def faster_packed(matrix: Tensor, rows: int) -> bool:
    """Whether the packed product is the same and takes less time; both in turns, their medians compared."""
    inputs = torch.randn(rows, matrix.shape[1], generator=torch.Generator().manual_seed(0))
    try:
        packed = PackedMatrix(matrix, rows)
        wanted = inputs @ matrix.t()
        if not (packed(inputs) - wanted).abs().max() <= _TOLERANCE * wanted.std():
            return False
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    ways: list[Callable[[], Tensor]] = [
        lambda: packed(inputs),
        lambda: inputs @ matrix.t(),
        lambda: matrix @ inputs.t(),
    ]
    taken: list[list[float]] = [[], [], []]
    for _ in range(_GOES):
        for way, times in zip(ways, taken, strict=True):
            began = time.perf_counter()
            way()
            times.append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in taken]
    return medians[0] < GAIN * min(medians[1:])
