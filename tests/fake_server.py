"""A server without pages, to be killed: owns the home, supervises, and submits what it is told to.

``python fake_server.py HOME [BEHAVIOUR …]`` prints ``serving`` when it has submitted a run for each behaviour.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from runs_kit import IMPATIENT, executor, fake_config

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.runs import Runs
from workbench.runs.owner import own


def main(path: str, *behaviours: str) -> int:
    home = Home(Path(path))
    try:
        with own(home):
            runs = Runs(home, executor(), IMPATIENT)
            runs.start()
            for behaviour in behaviours:
                runs.submit(fake_config(behaviour))
            print("serving", flush=True)
            time.sleep(600)
    except WorkbenchError as error:
        print(error, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
