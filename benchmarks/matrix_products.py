"""The roof of a training step: how fast this machine multiplies fp32 matrices of the model's own shapes.

``python matrix_products.py ASKED.json TOLD.json``: ASKED lists ``[rows, inputs, outputs, times]`` and threads; TOLD
holds FLOP a second over all of them, forward and back, each in the faster of its two orientations.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

REPEATS = 9


def seconds(product: Callable[[], Tensor]) -> float:
    """The median of several goes, after two that warm up."""
    product(), product()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        product()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def fastest(rows: int, inputs: int, outputs: int) -> float:
    """Seconds of the product (rows, inputs) by (inputs, outputs), forward and the input's gradient."""
    weight, given, gradient = torch.randn(outputs, inputs), torch.randn(rows, inputs), torch.randn(rows, outputs)
    forward = min(seconds(lambda: given @ weight.t()), seconds(lambda: weight @ given.t()))
    backward = min(seconds(lambda: gradient @ weight), seconds(lambda: weight.t() @ gradient.t()))
    return forward + backward


def main(asked: dict[str, object], told: Path) -> None:
    """Measure every shape and write the whole's rate."""
    torch.set_num_threads(int(str(asked["threads"])))
    shapes = asked["shapes"]
    assert isinstance(shapes, list)
    with torch.no_grad():
        work = sum(4 * rows * inputs * outputs * times for rows, inputs, outputs, times in shapes)
        taken = sum(fastest(rows, inputs, outputs) * times for rows, inputs, outputs, times in shapes)
    told.write_text(json.dumps(work / taken))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
