"""A worker without a model: writes real events, beats a real heart, obeys real signals, in a real process.

What it does is told by the run's name, as words such as ``steps=20 pause=0.02 then=die``. Run it as the worker's
command: ``python fake_worker.py RUN_DIR``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.events import (
    CheckpointSaved,
    Evaluated,
    Failed,
    Finished,
    Phase,
    PhaseChanged,
    Resumed,
    Started,
    StepLogged,
)
from workbench.runs import manifest
from workbench.runs.events_log import EventWriter
from workbench.runs.folder import RunFolder
from workbench.runs.lock import run_lock
from workbench.runs.pulse import Pulse


def loss_at(step: int) -> float:
    return 3.0 / step


def main(path: Path) -> int:
    folder = RunFolder(path)
    told = dict(word.split("=", 1) for word in folder.config.name.split())
    if told.get("then") == "tell-device":
        print(f"device {os.environ['CUDA_VISIBLE_DEVICES']}", flush=True)
    if told.get("then") == "silent":
        print("could not find anything", flush=True)
        return 7
    if told.get("then") == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: folder.request_stop())
    try:
        with run_lock(folder), Pulse(folder, seconds=0.05) as pulse:
            return train(folder, pulse, told)
    except WorkbenchError as error:
        print(error, flush=True)
        return 1


def train(folder: RunFolder, pulse: Pulse, told: dict[str, str]) -> int:
    events = EventWriter(folder)
    try:
        return steps(folder, events, pulse, told)
    except WorkbenchError as error:
        events.write(Failed(message=error.message, remedy=error.remedy, cause="disk-full"))
        return 1
    except OSError as error:
        events.write(Failed(message=f"The disk is full: {error}", remedy="Free some.", cause="disk-full"))
        return 1


def steps(folder: RunFolder, events: EventWriter, pulse: Pulse, told: dict[str, str]) -> int:
    events.write(PhaseChanged(phase=Phase.PREPARING_DATA, detail="fake"))
    if "child" in told:
        child = subprocess.Popen(["sleep", told["child"]])
        (folder.path / "child.pid").write_text(str(child.pid))
    folder.sweep_checkpoints()
    newest, first, total = folder.newest_checkpoint(), 0, int(told.get("steps", 10))
    if newest is not None:
        first = int(newest.name.split("-")[1])
        events.write(Resumed(step=first))
    events.write(Started(total_steps=total, trainable=1000, base_parameters=10_000, train_rows=9, validation_rows=1))
    events.write(PhaseChanged(phase=Phase.TRAINING))
    pulse.phase = Phase.TRAINING
    for step in range(first + 1, total + 1):
        time.sleep(float(told.get("pause", 0.01)))
        pulse.step = step
        events.write(logged(step))
        if step % int(told.get("save", 5)) == 0:
            save(folder, events, step)
        if step == int(told.get("at", -1)) and first == 0:
            print(f"at step {step}: {told['then']}", flush=True)
            if told["then"] == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if told["then"].startswith("SIG"):
                os.kill(os.getpid(), signal.Signals[told["then"]])
            if told["then"] == "exit":
                return 3
            if told["then"] == "fail":
                events.write(Failed(message="It broke.", remedy="Mend it.", cause="broken"))
                return 1
        if folder.stop_requested() and told.get("then") != "deaf":
            save(folder, events, step)
            events.write(Finished(step=step, stopped=True))
            return 0
    events.write(Finished(step=total, stopped=False))
    if told.get("then") == "linger":
        time.sleep(60)
    return 0


def logged(step: int) -> StepLogged:
    return StepLogged(
        step=step,
        epoch=step / 100,
        loss=loss_at(step),
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=step * 100,
        tokens_per_second=1000.0,
        elapsed=step * 0.1,
        memory_bytes=1000,
    )


def save(folder: RunFolder, events: EventWriter, step: int) -> None:
    path = folder.checkpoints_dir / f"checkpoint-{step}"
    if manifest.verify(path):
        return
    path.mkdir()
    (path / "state").write_text(str(step))
    manifest.write_manifest(path)
    events.write(Evaluated(step=step, loss=loss_at(step) + 0.5, tokens=10))
    events.write(CheckpointSaved(step=step, name=path.name, bytes=10, eval_loss=loss_at(step) + 0.5))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
