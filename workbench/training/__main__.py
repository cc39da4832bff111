"""``python -m workbench.training RUN_DIR``: the worker process of one run.

With ``--range-test`` before the folder it tries learning rates instead, and trains nothing that is kept.
Exits with 0 when the run finished or was stopped, with 1 when it failed; the run's last event says which and why.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.events import Phase
from workbench.imports import without
from workbench.runs.events_log import EventWriter
from workbench.runs.folder import RunFolder
from workbench.runs.lock import run_lock
from workbench.runs.pulse import Pulse
from workbench.training.allocations import keep_tidy
from workbench.training.failures import Outcome
from workbench.training.report import Report
from workbench.training.stopping import StopRequest

if TYPE_CHECKING:
    from workbench.training.worker import Worker
    from workbench.training_config import TrainingConfig

RANGE_TEST = "--range-test"


def attempt(folder: RunFolder, stop: StopRequest, *, range_test: bool = False) -> None:
    """Carry out the run in `folder`, or go on with it; raises what went wrong, after its last event tells it."""
    with ExitStack() as stack:
        stack.enter_context(run_lock(folder))
        pulse = stack.enter_context(Pulse(folder))
        events = EventWriter(folder)
        stack.callback(events.close)
        report = Report(events, pulse)
        report.enter(Phase.STARTING)
        with Outcome(folder, report):
            _worker(folder.config.training, range_test)(folder, report, stop).work()


def _worker(training: TrainingConfig, range_test: bool) -> type[Worker]:
    """Imported when the attempt has begun: seconds of torch are told of as a phase, and fail as one."""
    packs = training.quantization != "none" or training.optimizer != "adamw"
    with without("datasets", "scipy", *(() if packs else ("bitsandbytes",))):
        from workbench.training.range_test import RangeTest
        from workbench.training.worker import Worker
    return RangeTest if range_test else Worker


def set_environment() -> None:
    """What libraries read when they are first imported."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # several would mean DataParallel, which cannot split one row
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    keep_tidy()


def main() -> None:
    """The worker of the run whose folder the command line names."""
    set_environment()
    folder = RunFolder(Path(sys.argv[-1]))
    stop = StopRequest(folder)
    stop.listen()
    attempt(folder, stop, range_test=RANGE_TEST in sys.argv)


if __name__ == "__main__":
    main()
